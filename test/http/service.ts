import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterAll } from 'vitest'
import { z } from 'zod'
import { todosProjection } from '../../projections/todos/projection.ts'
import { prepareTodoList } from '../../projections/todos/queries.ts'
import { usersProjection } from '../../projections/users/projection.ts'
import { prepareUserDirectory } from '../../projections/users/queries.ts'
import type { Admission } from '../../src/cqrs/command-limit.ts'
import type { EventSink, EventSource } from '../../src/cqrs/event-store.ts'
import { connectEventStore } from '../../src/eventstoredb/event-store.ts'
import { type AppOptions, createApp } from '../../src/http/app.ts'
import type { Health } from '../../src/http/health.ts'
import type { HttpMetrics } from '../../src/http/metrics.ts'
import type { ReadModelDatabase } from '../../src/read-model/projection.ts'
import { ReadModel } from '../../src/read-model/read-model.ts'
import { registration } from '../../src/users/registration.ts'
import { usersModule } from '../../src/users/routes.ts'
import { eventStoreUrl } from '../support/event-store.ts'

/** The whole API over the event store of the tests and a read model of its own. One per test file. */
export async function startService() {
  const dir = mkdtempSync(join(tmpdir(), 'rollbook-http-'))
  const logger = pino({ level: 'silent' })
  const store = connectEventStore(await eventStoreUrl())
  const projections = [usersProjection, todosProjection]
  const queries = (db: ReadModelDatabase) => ({ ...prepareUserDirectory(db), todos: prepareTodoList(db) })
  const readModel = new ReadModel({ dir, log: store, projections, queries, logger })
  if (!(await readModel.reached(0, 20_000))) throw new Error('the read model was not built in time')
  afterAll(async () => {
    await readModel.close()
    await store.close()
    rmSync(dir, { recursive: true, force: true })
  })

  const appWith = (over: Partial<AppOptions> & { readonly events?: EventSink & Pick<EventSource, 'read'> } = {}) =>
    createApp({
      modules: [usersModule({ register: registration(over.events ?? store), queries: readModel, admit: admitAll })],
      ...{ readModel, logger, health: () => healthy, metrics: noMetrics },
      ...over,
    })
  const app = appWith()

  const get = async (path: string, headers: Record<string, string> = {}) => app.request(path, { headers })
  const post = async (body: unknown, headers: Record<string, string> = {}) =>
    app.request('/user/registration', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    })
  return { app, appWith, store, readModel, get, post }
}

export const admitAll: Admission = (command) => command()

export const noMetrics: HttpMetrics = {
  answered: () => undefined,
  expose: async () => ({ contentType: 'text/plain; version=0.0.4; charset=utf-8', body: '' }),
}

export const healthy: Health = {
  ready: true,
  eventStore: { connected: true },
  readModel: { state: 'live', position: 7, lag: 0, millisecondsWithoutProgress: 0, parked: 0 },
  reactions: [],
}

export const aUser = (username = 'Ada Lovelace') => ({ username, email: `Ada-${randomUUID()}@Example.com` })

const link = z.object({ href: z.string(), templated: z.literal(true).optional() })
const userItem = z.strictObject({
  ...{ id: z.ulid(), name: z.string(), email: z.string() },
  created_at: z.iso.datetime({ offset: true }),
  _links: z.strictObject({ self: link }),
})
const user = userItem.extend({ _links: z.strictObject({ self: link, users: link }) })
const page = z.strictObject({
  _links: z.strictObject({
    ...{ self: link, first: link, find: link },
    ...{ next: link.optional(), prev: link.optional() },
  }),
  _embedded: z.strictObject({ users: z.array(userItem) }),
  count: z.int(),
  total: z.int(),
})
const problem = z.looseObject({
  ...{ type: z.string(), title: z.string(), status: z.int(), detail: z.string(), instance: z.string() },
  errors: z.array(z.record(z.string(), z.string())).optional(),
})

export const userOf = async (response: Response) => user.parse(await response.json())
export const pageOf = async (response: Response) => page.parse(await response.json())

/** The problem that a response carries; fails where it is none. */
export async function problemOf(response: Response) {
  if (response.headers.get('Content-Type') !== 'application/problem+json') {
    throw new Error(`${response.status} ${await response.text()} is no problem`)
  }
  return problem.parse(await response.json())
}
