import { binaryEvent, EventStoreDBClient, jsonEvent } from '@eventstore/db-client'
import { z } from 'zod'
import { mutant } from '../mutants.ts'
import { waitUntil } from '../processes.ts'
import type { Run, Scenario } from '../run.ts'
import type { ServiceUnderTest } from '../world.ts'

const PEOPLE = { short: 20, long: 500 }
const TOGGLES = 12

/** Handlers that fail on what they do not like, as a release with a fault in it does. */
const FAULTY = [
  {
    file: 'projections/users/projection.js',
    from: 'const { id, name, email } = user.codec.decode(event).data;',
    to: "const { id, name, email } = user.codec.decode(event).data; if (email.includes('poison')) throw new Error('faulty');",
  },
  {
    file: 'projections/todos/projection.js',
    from: 'const event = todo.codec.decode(recorded);',
    to: "const event = todo.codec.decode(recorded); if (event.type === 'todo_created') throw new Error('faulty');",
  },
]

/** Events without sense, of unknown types, and handlers that throw; then the release in which they do not. */
export const poison: Scenario = {
  number: 8,
  name: 'poison events',
  async run(run) {
    const node = run.world.node()
    await node.start()
    const dataDir = run.world.directory()
    const faulty = run.world.service({ store: node.url, dataDir, dist: mutant(run.world, FAULTY) })
    let malformed = 0
    for (let round = 0; round === 0 || (run.settings.scale === 'long' && !run.isOver); round++) {
      await faulty.start()
      malformed += await appendMalformed(run, node.url, round)
      const disliked = await registerAll(run, faulty, round)
      const todo = await changeTodo(faulty)
      await parks(run, faulty, malformed + disliked + 1 + TOGGLES)
      run.faults += disliked + 1 + TOGGLES
      await faulty.terminate()

      const fixed = run.service({ store: node.url, dataDir })
      await fixed.start()
      run.promise(fixed.command.output().includes('read model is served'), 'the file is kept')
      const { version, completed } = (await listed(fixed, todo)) ?? {}
      const order = `the to-do's events are applied in order: version ${version}, ${completed}`
      run.promise(version === 1 + TOGGLES && completed === (TOGGLES % 2 === 1), order)
      await run.judge([fixed])
      await fixed.terminate()
    }
  },
}

async function parks(run: Run, service: ServiceUnderTest, parked: number): Promise<void> {
  const now = async () => ready.parse(await (await fetch(`${service.url}/health/ready`)).json()).readModel.parked
  await waitUntil(async () => (await now()) >= parked, `${parked} events to be parked`)
  run.promise((await now()) === parked, `nothing else is parked: ${await now()} of ${parked}`)
  run.promise(await service.isReady(), 'parked events leave the service ready')
}

const ready = z.object({ readModel: z.object({ parked: z.number() }) })

/** Gives how many events are to be parked for it: what comes later in the stream of one of them is, too. */
async function appendMalformed(run: Run, store: string, round: number): Promise<number> {
  const client = EventStoreDBClient.connectionString(store)
  const ignored = jsonEvent({ type: 'UserWaved', data: {} })
  const type = 'UserRegistered'
  const stream = (label: string) => `user-${run.person(`${label}-${round}`)}`
  await client.appendToStream(stream('a'), [jsonEvent({ type, data: { id: 'no ulid' } }), ignored])
  await client.appendToStream(stream('b'), binaryEvent({ type, data: Buffer.from('{"id": "half') }))
  await client.appendToStream(stream('c'), ignored)
  await client.dispose()
  return 3
}

/** Every other email is disliked by the faulty handler. The others are listed as if nothing was the matter. */
async function registerAll(run: Run, service: ServiceUnderTest, round: number): Promise<number> {
  const client = run.client(service)
  let disliked = 0
  for (let index = 0; index < PEOPLE[run.settings.scale]; index++) {
    const isDisliked = run.random.chance(50)
    const intent = run.intent({ person: run.person(`${isDisliked ? 'poison' : 'fine'}-${round}-${index}`) })
    const outcome = await client.register(intent)
    run.promise(outcome.kind === 'ok', `commands do not suffer: ${JSON.stringify(outcome)}`)
    if (isDisliked) disliked++
    else if (outcome.kind === 'ok') await client.find(intent, outcome.token)
  }
  return disliked
}

const created = z.object({ data: z.object({ newTodo: z.object({ id: z.string() }) }) })
const list = z.object({
  data: z.object({
    allTodos: z.object({
      edges: z.array(z.object({ node: z.object({ id: z.string(), version: z.number(), completed: z.boolean() }) })),
    }),
  }),
})

async function changeTodo(service: ServiceUnderTest): Promise<string> {
  const { id } = created.parse(await ask(service, 'mutation { newTodo(text: "Buy milk") { id } }')).data.newTodo
  const toggles = Array.from({ length: TOGGLES }, (_, n) => `t${n}: toggle { version }`).join(' ')
  await ask(service, `mutation { todo(id: "${id}") { ${toggles} } }`)
  return id
}

async function listed(service: ServiceUnderTest, id: string) {
  const answer = await ask(service, '{ allTodos { edges { node { id version completed } } } }')
  return list.parse(answer).data.allTodos.edges.find(({ node }) => node.id === id)?.node
}

async function ask({ url }: ServiceUnderTest, query: string): Promise<unknown> {
  const headers = { 'content-type': 'application/json' }
  const response = await fetch(`${url}/graphql`, { method: 'POST', headers, body: JSON.stringify({ query }) })
  return response.json()
}
