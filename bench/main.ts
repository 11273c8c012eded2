import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { kit } from './kit.ts'
import { list } from './list.ts'
import { node } from './node.ts'
import { flatness } from './node-flatness.ts'
import { overload } from './overload.ts'
import { memory, rebuild } from './rebuild.ts'
import { registrations } from './registrations.ts'
import { startUp } from './start-up.ts'

const { positionals: named, values } = parseArgs({ allowPositionals: true, options: { events: { type: 'string' } } })

/** Sizes of logs, from 10,000 events on; up to a million, or with `--events 10000000` up to ten. */
const largest = Number(values.events ?? 1_000_000)
const sizes = [10_000, 100_000, 1_000_000, 10_000_000].filter((size) => size <= largest)

/** All figures, or those that are named: `npm run bench -- registrations list`. */
const figures: Record<string, () => Promise<void>> = {
  registrations: () => registrations(5, 4),
  rebuild: () => rebuild(5, 200_000),
  list: () => list(5, 4, 10_000),
  'start-up': () => startUp(5, 100_000),
  memory: () => memory(1_000_000),
  kit: () => kit(5, 1_000, 100),
  node: () => node({ rounds: 5, seconds: 3, events: Math.min(largest, 1_000_000), deliveries: 500 }),
  'node-flatness': () => flatness(sizes, 400),
  overload: () => overload([32, 64, 128], 4),
}

const unknown = named.find((name) => !figures[name])
if (unknown) throw new Error(`no figure "${unknown}"; there are ${Object.keys(figures).join(', ')}`)

console.log(`Node ${process.version}, ${cpus().length} × ${cpus()[0]?.model}; medians of 5 interleaved runs`)
for (const [name, figure] of Object.entries(figures)) {
  if (named.length === 0 || named.includes(name)) await figure()
}
