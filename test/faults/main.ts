import { Command, InvalidArgumentError } from 'commander'
import { type Row, runScenario } from './run.ts'
import { scenarios } from './scenarios.ts'

/** Runs scenarios one after the other, in their long form, and ends with 1 where one of them finds a violation. */
const program = new Command('npm run faults --')
  .option(
    '--scenario <number>',
    `one of ${scenarios.map(({ number, name }) => `${number} (${name})`).join(', ')}`,
    numeral,
  )
  .option('--minutes <number>', 'for how long faults are made', numeral, 10)
  .option('--seed <number>', 'of an earlier run, to make its choices again', numeral)
  .option('--short', 'the short form, as in npm test')
  .addHelpText(
    'after',
    '\nWithout --scenario, all of them. With EVENTSTORE_URL, on that store where the store may live.',
  )
  .parse()

const options = program.opts<{ scenario?: number; minutes: number; seed?: number; short?: true }>()
const chosen = scenarios.filter(({ number }) => options.scenario === undefined || number === options.scenario)
if (chosen.length === 0) program.error(`there is no scenario ${options.scenario}`)

// The client of EventStoreDB rejects promises that nobody can hold when a connection breaks at the wrong moment.
process.on('unhandledRejection', (reason) => print(`unhandled rejection: ${reason}`))
const rows: Row[] = []
for (const scenario of chosen) {
  const seed = options.seed ?? Math.floor(Math.random() * 2 ** 31)
  print(`${scenario.number} ${scenario.name}, seed ${seed} …`)
  const row = await runScenario(scenario, {
    ...{ seed, duration: options.minutes * 60_000, scale: options.short ? 'short' : 'long' },
    storeUrl: process.env['EVENTSTORE_URL'],
  })
  rows.push(row)
  for (const note of row.notes) print(`  ${note}`)
  for (const { invariant, what } of row.violations) print(`  ${invariant}: ${what}`)
}
print(table(rows))
process.exit(rows.some(({ violations }) => violations.length > 0) ? 1 : 0)

function numeral(text: string): number {
  const number = Number(text)
  if (!(number >= 0)) throw new InvalidArgumentError('It must be a number that is not negative.')
  return number
}

function table(all: readonly Row[]): string {
  const columns = ['seed', 'seconds', 'operations', 'kills', 'faults', 'unknown'] as const
  const lines = all.map((row) => [row.scenario, ...columns.map((name) => row[name]), row.violations.length])
  const cells = [['scenario', ...columns, 'violations'], columns.map(() => '---').concat('---', '---'), ...lines]
  return cells.map((line) => `| ${line.join(' | ')} |`).join('\n')
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}
