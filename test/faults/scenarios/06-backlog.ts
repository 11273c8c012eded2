import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import { fill } from '../backlog.ts'
import { waitUntil } from '../processes.ts'
import { resourcesOf } from '../resources.ts'
import type { Run, Scenario } from '../run.ts'
import type { ServiceUnderTest } from '../world.ts'

const EVENTS = { short: 10_000, long: 100_000 }

/** Each event, in characters: to hold them all would show. */
const SIZE = 8_000

/** How much more than a service without a backlog needs may be in memory, in MiB. The backlog of the short form has 80. */
const ROOM = 70

/** A read model that is applied slowly, with a long log ahead of it. */
export const backlog: Scenario = {
  number: 6,
  name: 'slow consumer with a backlog',
  async run(run) {
    const node = run.world.node()
    await node.start()
    const idle = run.world.service({ store: node.url })
    await idle.start()
    const usual = resourcesOf(idle)?.peak
    await idle.kill()
    const events = EVENTS[run.settings.scale]
    await fill(node.url, { stream: `todo-${randomUUID()}`, length: 0 }, events, makeEvent)

    do {
      await consumes(run, node.url, usual)
    } while (run.settings.scale === 'long' && !run.isOver)
  },
}

/** From its first event on, with a read model of its own. */
async function consumes(run: Run, store: string, usual: number | undefined): Promise<void> {
  const service = run.service({ store })
  await service.start({ ROLLBOOK_FAILPOINTS: 'projector.batch-begun=sleep:40' }, 'listening')
  const states = new Set<string>()
  await registers(run, service)
  await waitUntil(async () => (await look(service, states)) === 200, 'it to catch up', 600_000)
  run.promise(states.has('503 replaying'), `readiness tells of the backlog: ${[...states]}`)
  const peak = resourcesOf(service)?.peak
  if (peak !== undefined && usual !== undefined) {
    run.notes.push(`at most ${Math.round(peak)} MiB in memory, ${Math.round(usual)} without a backlog`)
    run.promise(peak <= usual + ROOM, `memory is bounded: ${Math.round(peak)} MiB, ${Math.round(usual)} usually`)
  }
  run.faults++
  await run.judge([service])
  await service.kill()
}

const makeEvent = (index: number) =>
  index === 0
    ? { type: 'todo_created', data: { description: 'long' } }
    : { type: 'todo_description_updated', data: { description: `${index} `.padEnd(SIZE, 'x') } }

/** Commands do not wait for the read model. */
async function registers(run: Run, service: ServiceUnderTest): Promise<void> {
  for (let count = 0; count < 10; count++) {
    const outcome = await run.client(service).register(run.intent())
    run.promise(outcome.kind === 'ok', `a command while the log is replayed: ${JSON.stringify(outcome)}`)
  }
}

const health = z.object({ readModel: z.object({ state: z.string() }) })

async function look({ url }: ServiceUnderTest, states: Set<string>): Promise<number> {
  const response = await fetch(`${url}/health/ready`)
  states.add(`${response.status} ${health.parse(await response.json()).readModel.state}`)
  return response.status
}
