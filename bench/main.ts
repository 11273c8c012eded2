import { cpus } from 'node:os'
import { kit } from './kit.ts'
import { list } from './list.ts'
import { memory, rebuild } from './rebuild.ts'
import { registrations } from './registrations.ts'
import { startUp } from './start-up.ts'

/** All figures, or those that are named: `npm run bench -- registrations list`. */
const figures: Record<string, () => Promise<void>> = {
  registrations: () => registrations(5, 4),
  rebuild: () => rebuild(5, 200_000),
  list: () => list(5, 4, 10_000),
  'start-up': () => startUp(5, 100_000),
  memory: () => memory(1_000_000),
  kit: () => kit(5, 1_000, 100),
}

const named = process.argv.slice(2)
const unknown = named.find((name) => !figures[name])
if (unknown) throw new Error(`no figure "${unknown}"; there are ${Object.keys(figures).join(', ')}`)

console.log(`Node ${process.version}, ${cpus().length} × ${cpus()[0]?.model}; medians of 5 interleaved runs`)
for (const [name, figure] of Object.entries(figures)) {
  if (named.length === 0 || named.includes(name)) await figure()
}
