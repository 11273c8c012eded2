import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { startLoad } from '../load.ts'
import { type Resources, resourcesOf } from '../resources.ts'
import type { Run, Scenario } from '../run.ts'
import type { ServiceUnderTest } from '../world.ts'

/** Looks in a run. */
const LOOKS = 30

/** How much the last third of a run may have over the second one. */
const GROWTH = { rss: 64, descriptors: 16, wal: 48 }

type Look = Pick<Resources, 'rss' | 'descriptors'> & {
  /** MiB of all write-ahead logs. */
  readonly wal: number
}

/** Writes, reads, rebuilds and outages for a long time: memory, file descriptors and write-ahead logs stay as they are. */
export const soak: Scenario = {
  number: 13,
  name: 'soak',
  async run(run) {
    const service = run.service()
    await service.start()
    const load = startLoad(run, [service])
    const looks: Look[] = []
    const pause = run.settings.duration / LOOKS
    for (let look = 0; look < LOOKS; look++) {
      await setTimeout(pause)
      const resources = resourcesOf(service)
      if (resources) looks.push({ ...resources, wal: writeAheadLogs(service) })
      if (look % 10 === 5) await rebuild(run, service)
    }
    await load.stop()
    for (const what of ['rss', 'descriptors', 'wal'] as const) compare(run, looks, what)
    await run.judge([service])
  },
}

/** The median of the last third with that of the second, by which time everything has been used once. */
function compare(run: Run, looks: readonly Look[], what: keyof typeof GROWTH): void {
  const third = Math.floor(looks.length / 3)
  const before = median(looks.slice(third, 2 * third).map((look) => look[what]))
  const after = median(looks.slice(2 * third).map((look) => look[what]))
  run.notes.push(`${what}: ${before.toFixed(1)}, later ${after.toFixed(1)}`)
  run.promise(after - before <= GROWTH[what], `${what} grew from ${before.toFixed(1)} to ${after.toFixed(1)}`)
}

async function rebuild(run: Run, service: ServiceUnderTest): Promise<void> {
  const rebuild = service.run('rebuild')
  run.promise((await rebuild.ended) === 0, `a rebuild succeeds: ${rebuild.output()}`)
  run.faults++
}

function writeAheadLogs({ dataDir, readModelDir }: ServiceUnderTest): number {
  const files = [dataDir, readModelDir].flatMap((folder) => readdirSync(folder).map((name) => join(folder, name)))
  const sizes = files.map((file) =>
    file.endsWith('-wal') ? (statSync(file, { throwIfNoEntry: false })?.size ?? 0) : 0,
  )
  return sizes.reduce((sum, size) => sum + size, 0) / 2 ** 20
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
}
