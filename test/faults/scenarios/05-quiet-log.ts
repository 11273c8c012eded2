import { randomUUID } from 'node:crypto'
import { connectEventStore } from '../../../src/eventstoredb/event-store.ts'
import { fill } from '../backlog.ts'
import { waitUntil } from '../processes.ts'
import { observe } from '../read-models.ts'
import type { Run, Scenario } from '../run.ts'
import type { NodeUnderTest, ServiceUnderTest } from '../world.ts'

/** Events of others for one of ours. */
const NOISE = { short: 10_000, long: 100_000 }

/** A log in which next to nothing is ours: only the checkpoints of the subscription show how far it has come. */
export const quietLog: Scenario = {
  number: 5,
  name: 'one event of ours in 100,000',
  async run(run) {
    const node = run.world.node()
    await node.start()
    const service = run.service({ store: node.url })
    const noise = { stream: `noise-${randomUUID()}`, length: 0 }
    await service.start()
    await registerOne(run, service)
    for (let round = 0; round < 2 || !run.isOver; round++) {
      await service.kill()
      // It dies around one of the checkpoints, in the noise that it has missed or in the one that comes.
      const point = run.random.pick([
        'projector.checkpoint-written',
        'projector.before-commit',
        'projector.after-commit',
      ])
      const half = NOISE[run.settings.scale] / 2
      await fill(node.url, noise, half, makeNoise)
      const starting = service
        .start({ ROLLBOOK_FAILPOINTS: `${point}=kill@${run.random.integer(1, 8)}` }, 'listening')
        .catch(() => undefined)
      await fill(node.url, noise, half, makeNoise)
      await starting
      await waitUntil(() => !service.isRunning, 'it to die', 5_000).catch(() => service.kill())
      run.kills++
      await service.start()
      await reachesTheEnd(service, node)
      await registerOne(run, service)
    }
    await run.judge([service])
    run.notes.push(`${noise.length} events of others, ${run.history.count('ok')} of ours`)
  },
}

const makeNoise = (index: number) => ({ type: 'Noise', data: { index } })

async function registerOne(run: Run, service: ServiceUnderTest): Promise<void> {
  const intent = run.intent()
  const outcome = await run.client(service).register(intent)
  run.promise(outcome.kind === 'ok', `a registration in the noise: ${JSON.stringify(outcome)}`)
  if (outcome.kind === 'ok') await run.client(service).find(intent, outcome.token)
}

/** Without an event of ours, by checkpoints only. The store sends one after each 1,000 events at the latest. */
async function reachesTheEnd(service: ServiceUnderTest, node: NodeUnderTest): Promise<void> {
  const end = await endOf(node)
  const missing = () => end - (observe(service)?.position ?? 0)
  await waitUntil(() => missing() <= 1_000, `the checkpoint to come near ${end}`)
}

async function endOf({ url }: NodeUnderTest): Promise<number> {
  const store = connectEventStore(url)
  const end = (await store.lastPosition()) ?? 0
  await store.close()
  return end
}
