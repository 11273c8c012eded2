import { cpSync, rmSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { startLoad } from '../load.ts'
import { waitUntil } from '../processes.ts'
import { resourcesOf } from '../resources.ts'
import type { Run, Scenario } from '../run.ts'
import type { NodeUnderTest, ServiceUnderTest } from '../world.ts'

/** The store dies, is frozen and comes back; at last it comes back older than the read model, and empty. */
export const storeOutages: Scenario = {
  number: 4,
  name: 'store outages',
  async run(run) {
    const node = run.world.node()
    await node.start()
    const service = run.service({ store: node.url })
    await service.start()
    const load = startLoad(run, [service])
    // Enough of them for a backup that has something, and lacks something.
    await setTimeout(300)
    const backup = await backUp(run, node)
    // Without a file, queries are refused until the log has been replayed; with one, they never are.
    await service.ready()
    const descriptors = resourcesOf(service)?.descriptors
    const failedBefore = run.history.failedQueries.length
    for (let round = 0; round < 2 || !run.isOver; round++) {
      if (round % 2 === 0) await die(run, node)
      else await freeze(run, node)
      run.faults++
      await service.ready()
    }
    await load.stop()
    await leavesNothingOpen(run, service, descriptors)
    const failed = run.history.failedQueries.slice(failedBefore)
    run.promise(failed.length === 0, `queries are answered while the store is away: ${failed[0]}`)
    await run.judge([service])
    await comesBackOlder(run, node, service, backup)
    await comesBackEmpty(run, node, service)
  },
}

/** Connections of clients and to the store that may be open at one time and not at another. */
const USUAL = 16

async function leavesNothingOpen(run: Run, service: ServiceUnderTest, before: number | undefined): Promise<void> {
  const now = () => resourcesOf(service)?.descriptors ?? 0
  if (before === undefined) return
  run.notes.push(`${now()} descriptors after ${run.faults} outages, ${before} before`)
  await waitUntil(() => now() <= before + USUAL, `descriptors of ${run.faults} outages to be closed`)
}

async function die(run: Run, node: NodeUnderTest): Promise<void> {
  await node.kill()
  run.kills++
  await setTimeout(run.random.integer(0, 800))
  await node.start()
}

/** Connections stay open, and nobody answers. */
async function freeze({ random }: Run, node: NodeUnderTest): Promise<void> {
  node.freeze()
  await setTimeout(random.integer(300, 3_000))
  node.thaw()
}

async function backUp({ world }: Run, node: NodeUnderTest): Promise<string> {
  const backup = world.directory()
  await node.kill()
  cpSync(node.dataDir, backup, { recursive: true })
  await node.start()
  return backup
}

async function comesBackOlder(run: Run, node: NodeUnderTest, service: ServiceUnderTest, backup: string): Promise<void> {
  await node.kill()
  rmSync(node.dataDir, { recursive: true })
  cpSync(backup, node.dataDir, { recursive: true })
  await node.start()
  run.faults++
  await refusesQueries(run, service, 'older')
  const rebuild = service.run('rebuild')
  run.promise((await rebuild.ended) === 0, `a rebuild follows the older log: ${rebuild.output()}`)
  await service.ready()
}

async function comesBackEmpty(run: Run, node: NodeUnderTest, service: ServiceUnderTest): Promise<void> {
  await node.kill()
  rmSync(node.dataDir, { recursive: true })
  await node.start()
  run.faults++
  await refusesQueries(run, service, 'empty')
}

/** A read model from the future is not served, and the reason is told. */
async function refusesQueries(run: Run, { url }: ServiceUnderTest, store: string): Promise<void> {
  const isFoundOut = async () => (await (await fetch(`${url}/health/ready`)).text()).includes('restored or replaced')
  await waitUntil(isFoundOut, `the ${store} store to be found out`)
  const { status } = await fetch(`${url}/users`)
  run.promise(status === 503, `a query of an ${store} store is refused: ${status}`)
}
