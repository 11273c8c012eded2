import { readdirSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { startLoad } from '../load.ts'
import { waitUntil } from '../processes.ts'
import type { Run, Scenario } from '../run.ts'
import type { ServiceUnderTest } from '../world.ts'

const IN_SERVICE = [
  'projector.batch-begun',
  'projector.row-written',
  'projector.checkpoint-written',
  'projector.before-commit',
  'projector.after-commit',
  'node.before-fsync',
  'node.after-fsync',
] as const

const IN_REBUILD = [
  'rebuild.batch-written',
  'rebuild.before-swap',
  'rebuild.pointer-drafted',
  'rebuild.after-swap',
] as const

const LEAST_KILLS = { short: 8, long: 200 }

/** The service, its embedded node and rebuilds beside it die between any two steps, and at any other moment. */
export const kills: Scenario = {
  number: 3,
  name: 'kills',
  async run(run) {
    const service = run.service()
    // The first start builds the read model, and dies where it would point to it.
    await untilKilled(run, service, { ROLLBOOK_FAILPOINTS: 'rebuild.pointer-drafted=kill' })
    // Every point once, in an order of the seed; then whatever comes.
    const points = shuffled(run, [...IN_SERVICE, ...IN_REBUILD, 'any moment'])
    for (let round = 0; !run.isOver || run.kills < LEAST_KILLS[run.settings.scale]; round++) {
      const point = points[round] ?? run.random.pick([...IN_SERVICE, ...IN_REBUILD, 'any moment', 'any moment'])
      if (point.startsWith('rebuild.')) await killRebuild(run, service, point)
      else if (point === 'any moment') await killAtAnyMoment(run, service)
      else await untilKilled(run, service, { ROLLBOOK_FAILPOINTS: `${point}=kill@${run.random.integer(1, 40)}` })
    }
    run.notes.push(`${run.faults} of ${run.kills} died at a failpoint`)
    await service.start()
    await run.judge([service])
    const rebuild = service.run('rebuild')
    run.promise((await rebuild.ended) === 0, `a rebuild in peace succeeds: ${rebuild.output()}`)
    await waitUntil(() => databases(service).length === 1, 'what the kills have left to be removed')
  },
}

/** Works until it dies by itself, wherever it is by then: it may not even have come up. */
async function untilKilled(run: Run, service: ServiceUnderTest, environment: Record<string, string>): Promise<void> {
  await service.start(environment).catch(() => undefined)
  const load = startLoad(run, [service])
  const isDead = () => !service.isRunning
  await waitUntil(isDead, 'the process to die', 5_000).catch(() => undefined)
  // The others did not come to the point in time.
  if (isDead()) run.faults++
  await dead(run, service)
  await load.stop()
}

async function killAtAnyMoment(run: Run, service: ServiceUnderTest): Promise<void> {
  const starting = service.start().catch(() => undefined)
  if (run.random.chance(80)) await starting
  const load = startLoad(run, [service])
  await setTimeout(run.random.integer(0, 400))
  await dead(run, service)
  await starting
  await load.stop()
}

/** A rebuild dies while the service works; then the service does. */
async function killRebuild(run: Run, service: ServiceUnderTest, point: string): Promise<void> {
  await service.start()
  const load = startLoad(run, [service])
  await setTimeout(100)
  const rebuild = service.run('rebuild', { ROLLBOOK_FAILPOINTS: `${point}=kill` })
  run.promise((await rebuild.ended) === 'SIGKILL', `a rebuild dies at ${point}: ${rebuild.output()}`)
  run.kills++
  run.faults++
  await setTimeout(run.random.integer(0, 300))
  await dead(run, service)
  await load.stop()
}

async function dead(run: Run, service: ServiceUnderTest): Promise<void> {
  await service.kill()
  run.kills++
}

function shuffled<T>({ random }: Run, values: readonly T[]): T[] {
  const rest = [...values]
  return values.flatMap(() => rest.splice(random.integer(0, rest.length - 1), 1))
}

const databases = ({ readModelDir }: ServiceUnderTest) =>
  readdirSync(readModelDir).filter((name) => /^\d+\.sqlite$/.test(name))
