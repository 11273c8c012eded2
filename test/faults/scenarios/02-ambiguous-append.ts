import { setTimeout } from 'node:timers/promises'
import { startLoad } from '../load.ts'
import { waitUntil } from '../processes.ts'
import type { ToxicProxy } from '../proxy.ts'
import type { Run, Scenario } from '../run.ts'

/** Faults at the least. */
const LEAST = 4

/** Longer than the deadlines of the service, so that it gives up connections, in milliseconds. */
const LONG = 8_000

/** Requests reach the store and its replies do not; or nothing does, or late, or in pieces. */
export const ambiguousAppend: Scenario = {
  number: 2,
  name: 'ambiguous append',
  async run(run) {
    const node = run.world.node()
    await node.start()
    const proxy = await run.world.proxy(node.port)
    const service = run.service({ store: proxy.url })
    await service.start()
    const load = startLoad(run, [service], { keyed: 100 })
    await setTimeout(200)
    const endLoss = proxy.add({ type: 'timeout', timeout: 0 })
    await waitUntil(() => run.history.toldUnknown > 0, 'the outcome of a request not to be known')
    endLoss()
    run.faults++
    for (let round = 0; round < LEAST || !run.isOver; round++) {
      await setTimeout(run.random.integer(100, 400))
      await breakFor(run, proxy)
      run.faults++
    }
    await hang(run, proxy, service)
    proxy.reset()
    await service.ready()
    await load.stop()
    await repeatUnknown(run, service)
    await run.judge([service])
  },
}

async function breakFor({ random, settings }: Run, proxy: ToxicProxy): Promise<void> {
  const isLong = settings.scale === 'long' && random.chance(20)
  const fault = random.pick([
    'lost replies',
    'lost replies',
    'hang',
    'reset',
    'cut reply',
    'cut request',
    'slow',
    'down',
  ])
  if (fault === 'lost replies') {
    const end = proxy.add({ type: 'timeout', timeout: 0 })
    await setTimeout(random.integer(50, isLong ? LONG : 2_800))
    end()
  } else if (fault === 'hang') {
    proxy.freeze()
    await setTimeout(random.integer(50, isLong ? LONG : 500))
    // What hangs now goes on to do so; new connections do not.
    proxy.freezeOpen()
    await setTimeout(random.integer(50, isLong ? LONG : 500))
  } else if (fault === 'reset') proxy.add({ type: 'reset_peer', timeout: 0 })()
  else if (fault === 'cut reply') proxy.add({ type: 'limit_data', bytes: random.integer(1, 400) })
  else if (fault === 'cut request') proxy.add({ type: 'limit_data', bytes: random.integer(1, 4_000) }, 'upstream')
  else if (fault === 'slow') proxy.add({ type: 'latency', latency: random.integer(20, 300) })
  else proxy.down()
  await setTimeout(random.integer(20, 300))
  proxy.reset()
}

/** Nobody breaks the connections that hang, be it from the beginning: those that need them have to find out. */
async function hang(run: Run, proxy: ToxicProxy, service: Parameters<Run['client']>[0]): Promise<void> {
  await service.ready()
  const told = run.history.toldUnknown
  proxy.freeze()
  await waitUntil(() => run.history.toldUnknown > told, 'the outcome of a request not to be known')
  await waitUntil(async () => !(await service.isReady()), 'the service to miss the store')
  proxy.freezeOpen()
  run.faults++
  await service.ready()
}

/** What has not been told is asked for again, until it is told. */
async function repeatUnknown(run: Run, service: Parameters<Run['client']>[0]): Promise<void> {
  const client = run.client(service)
  const open = run.history.registrations.flatMap(({ intent, outcome }) => (outcome.kind === 'unknown' ? [intent] : []))
  for (const intent of new Set(open)) {
    const outcome = await client.register(intent)
    run.promise(outcome.kind !== 'unknown', `${intent.name} is told its outcome in the end: ${JSON.stringify(outcome)}`)
  }
}
