import type { Hono } from 'hono'
import { z } from 'zod'
import { eventStoreSnapshots } from '../../src/eventstoredb/snapshots.ts'
import type { Variables } from '../../src/http/module.ts'
import type { ReadModelProgress } from '../../src/http/read-your-writes.ts'
import { todosModule } from '../../src/todos/routes.ts'
import { admitAll, startService } from '../http/service.ts'

type Options = Parameters<typeof todosModule>[0]

interface Over extends Partial<Options> {
  readonly readModel?: ReadModelProgress
}

/** GraphQL over the event store of the tests and a read model of its own. One per test file. */
export async function startTodos() {
  const { appWith, store, readModel } = await startService()
  const logged: object[] = []
  const log = (facts: object) => void logged.push(facts)
  const serviceWith = ({ readModel: progress = readModel, ...over }: Over = {}) => {
    const ports = { events: store, snapshots: eventStoreSnapshots(store), queries: readModel, admit: admitAll }
    const options = { ...ports, clock: () => new Date(), graphiql: true, logger: { error: log, warn: log } }
    return client(appWith({ modules: [todosModule({ ...options, ...over })], readModel: progress }))
  }
  return { ...serviceWith(), serviceWith, store, readModel, logged }
}

const answer = z.strictObject({
  data: z.unknown().optional(),
  errors: z
    .array(
      z.strictObject({
        message: z.string(),
        path: z.array(z.union([z.string(), z.number()])).optional(),
        locations: z.unknown(),
        extensions: z.looseObject({ code: z.string() }),
      }),
    )
    .default([]),
})

const anId = z.object({ newTodo: z.object({ id: z.ulid() }) })

function client(app: Hono<{ Variables: Variables }>) {
  const post = async (body: unknown, headers: Record<string, string> = {}) =>
    app.request('/graphql', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', ...headers },
      body: JSON.stringify(body),
    })

  /** A request and what GraphQL answers to it; fails where the answer is a problem. */
  async function ask(query: string, variables: object = {}, headers: Record<string, string> = {}) {
    const response = await post({ query, variables }, headers)
    const { data, errors } = answer.parse(await response.json())
    const token = response.headers.get('Consistency-Token') ?? undefined
    const codes = errors.map(({ extensions }) => extensions.code)
    return { response, data, errors, codes, token }
  }

  async function newTodo(text = 'Buy milk') {
    const { data, token = '' } = await ask('mutation ($text: String!) { newTodo(text: $text) { id } }', { text })
    return { id: anId.parse(data).newTodo.id, token }
  }
  return { app, post, ask, newTodo }
}
