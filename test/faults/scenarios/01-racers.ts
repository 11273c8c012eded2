import { ALREADY, OVERLOADED } from '../checker.ts'
import type { Intent, Outcome } from '../history.ts'
import type { Run, Scenario } from '../run.ts'

const EMAILS = 100

/** How many emails are raced for at once. All of them is more than a busy machine can answer in time. */
const AT_ONCE = { short: 25, long: EMAILS }

const RACERS_EACH = 10
const SERVICES = { short: 2, long: 4 }

/** Spellings that reach one mailbox. The first is the canonical one. */
const SPELLINGS: readonly ((local: string, domain: string) => string)[] = [
  (local, domain) => `josé.strasse.${local}@${domain}`,
  (local, domain) => `josé.strasse.${local}@${domain}`.normalize('NFD'),
  (local, domain) => `JOSÉ.Straße.${local.toUpperCase()}@${domain}`,
  (local, domain) => `  José.STRASSE.${local}@${domain.toUpperCase()} `,
]

/** A thousand requests for a hundred emails, in all their spellings, at several services on one store. */
export const racers: Scenario = {
  number: 1,
  name: 'racers',
  async run(run) {
    const store = await run.store()
    const one = run.service({ store })
    const others = Array.from({ length: SERVICES[run.settings.scale] - 1 }, () => run.service({ store }))
    const services = [one, ...others] as const
    for (const service of services) await service.start()
    const races = EMAILS / AT_ONCE[run.settings.scale]
    for (let round = 0; round < races || !run.isOver; round++) await race(run, services)
    await run.judge([one, ...others])
  },
}

async function race(run: Run, services: readonly [Parameters<Run['client']>[0], ...Parameters<Run['client']>[0][]]) {
  const { random } = run
  const intents = Array.from({ length: AT_ONCE[run.settings.scale] }, () => {
    const [local = '', domain = ''] = run.person().split('@')
    const person = `josé.strasse.${local}@${domain}`
    const spelled = () => random.pick([SPELLINGS[0], ...SPELLINGS])?.(local, domain) ?? person
    return Array.from({ length: RACERS_EACH }, () => run.intent({ person, email: spelled() }))
  })
  const racers = intents.flat().map((intent) => ({ intent, start: random.integer(0, 1_000_000) }))
  const line = racers.toSorted((a, b) => a.start - b.start).map(({ intent }) => intent)
  const ask = (intent: Intent) => run.client(random.pick(services)).register(intent)
  const outcomes = new Map<Intent, Outcome>()
  await Promise.all(line.map(async (intent) => outcomes.set(intent, await ask(intent))))
  // Who was told to come again does so.
  for (const [intent, outcome] of outcomes) {
    const isTold = outcome.kind === 'ok' || (outcome.kind === 'refused' && outcome.reason !== OVERLOADED)
    if (!isTold) outcomes.set(intent, await ask(intent))
  }
  for (const ofEmail of intents) {
    const won = ofEmail.filter((intent) => outcomes.get(intent)?.kind === 'ok').length
    run.promise(won === 1, `one of those who race for an email wins: ${won}`)
  }
  for (const outcome of outcomes.values()) {
    const isTold = outcome.kind === 'ok' || outcome.reason === ALREADY
    run.promise(isTold, `each is told that it has won, or that the email is taken: ${JSON.stringify(outcome)}`)
  }
  await askAgain(
    run,
    services,
    line.filter((intent) => outcomes.get(intent)?.kind === 'ok'),
  )
}

/** Elsewhere, with the same key: the first answer is given again. */
async function askAgain(run: Run, services: Parameters<typeof race>[1], winners: readonly Intent[]): Promise<void> {
  for (const intent of winners.slice(0, 20)) {
    const outcome = await run.client(run.random.pick(services)).register(intent)
    run.promise(outcome.kind === 'ok' && outcome.replayed, `the first answer again: ${JSON.stringify(outcome)}`)
  }
}
