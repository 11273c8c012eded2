import { createConfig, lintFromString } from '@redocly/openapi-core'
import { Ajv2020 } from 'ajv/dist/2020.js'
import formats from 'ajv-formats'
import { pino } from 'pino'
import { afterAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { type Admission, Overloaded } from '../../src/cqrs/command-limit.ts'
import { StoreUnavailable } from '../../src/cqrs/event-store.ts'
import { eventStoreSnapshots } from '../../src/eventstoredb/snapshots.ts'
import type { AppOptions } from '../../src/http/app.ts'
import { listen } from '../../src/http/server.ts'
import { ReadModelNotReady } from '../../src/read-model/read-model.ts'
import { todosModule } from '../../src/todos/routes.ts'
import { registration } from '../../src/users/registration.ts'
import { usersModule } from '../../src/users/routes.ts'
import { aUser, healthy, startService } from './service.ts'

const { appWith, store, readModel } = await startService()

const admitAll: Admission = (command) => command()

const modulesWith = ({ events = store, queries = readModel, admit = admitAll } = {}) => [
  usersModule({ register: registration(events), queries, admit }),
  todosModule({
    ...{ events, snapshots: eventStoreSnapshots(store), queries, admit, clock: () => new Date() },
    ...{ graphiql: false, logger: pino({ level: 'silent' }) },
  }),
]

async function serve(over: Partial<AppOptions> = {}): Promise<string> {
  const server = await listen(appWith({ modules: modulesWith(), ...over }), { host: '127.0.0.1', port: 0 })
  afterAll(() => server.close())
  return server.url
}

const example = z.object({ value: z.unknown() })
const content = z.object({
  schema: z.unknown(),
  example: z.unknown().optional(),
  examples: z.record(z.string(), example).optional(),
})
const answer = z.object({
  headers: z.record(z.string(), z.object({ required: z.boolean().optional(), schema: z.unknown() })),
  content: z.record(z.string(), content).optional(),
})
const operation = z.object({
  requestBody: z.object({ content: z.object({ 'application/json': content }) }).optional(),
  responses: z.record(z.string(), answer),
})
const openApi = z.looseObject({ paths: z.record(z.string(), z.record(z.string(), operation)) })

const url = await serve()
const text = await (await fetch(`${url}/openapi.json`)).text()
const document = openApi.parse(JSON.parse(text))
const ajv = formats.default(new Ajv2020({ strict: false, formats: { ulid: /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/ } }))
ajv.addSchema(JSON.parse(text), 'openapi')

/** What is wrong with a value by the schema at a place of the document; null where nothing is. */
function faults(value: unknown, ...place: readonly string[]): string | null {
  const pointer = place.map((segment) => `/${encodeURIComponent(segment.replaceAll('~', '~0').replaceAll('/', '~1'))}`)
  const validate = ajv.compile({ $ref: `openapi#${pointer.join('')}` })
  return validate(value) ? null : ajv.errorsText(validate.errors)
}

/** Every answer there is, by operation and status; problems by their type as well. */
const documented = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).flatMap(([method, { responses }]) =>
    Object.entries(responses).flatMap(([status, { content }]) => {
      const name = `${method.toUpperCase()} ${path} ${status}`
      const problems = Object.keys(content?.['application/problem+json']?.examples ?? {})
      return problems.length > 0 ? problems.map((slug) => `${name} ${slug}`) : [name]
    }),
  ),
)

describe('the API reference', () => {
  it('has no fault that a linter finds', async () => {
    // Some routes refuse nothing.
    const config = await createConfig({ extends: ['recommended-strict'], rules: { 'operation-4xx-response': 'off' } })
    const found = await lintFromString({ source: text, absoluteRef: '/openapi.json', config })
    expect(found.map(({ ruleId, message }) => `${ruleId}: ${message}`)).toEqual([])
  })

  it('has every route, and no other', () => {
    const routes = new Set(appWith({ modules: modulesWith() }).routes.map(({ method, path }) => `${method} ${path}`))
    const described = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path.replaceAll(/\{(\w+)\}/g, ':$1')}`),
    )
    const own = /^GET \/(openapi\.json|docs(\/.*)?)$/
    expect(described.sort()).toEqual([...routes].filter((route) => !own.test(route)).sort())
  })

  it('has examples that its schemas let through', () => {
    for (const [path, methods] of Object.entries(document.paths)) {
      for (const [method, { requestBody, responses }] of Object.entries(methods)) {
        const place = ['paths', path, method]
        if (requestBody) {
          const { example } = requestBody.content['application/json']
          expect(faults(example, ...place, 'requestBody', 'content', 'application/json', 'schema')).toBeNull()
        }
        for (const [status, { content = {} }] of Object.entries(responses)) {
          for (const [mediaType, { example, examples = {} }] of Object.entries(content)) {
            for (const value of [
              ...(example === undefined ? [] : [example]),
              ...Object.values(examples).map((e) => e.value),
            ]) {
              expect(
                faults(value, ...place, 'responses', status, 'content', mediaType, 'schema'),
                method + path,
              ).toBeNull()
            }
          }
        }
      }
    }
  })

  it('has request examples that are taken', async () => {
    for (const [path, { post }] of Object.entries(document.paths)) {
      const example = post?.requestBody?.content['application/json'].example
      if (example === undefined) continue
      const response = await fetch(url + path, json(example))
      expect([200, 201, 409]).toContain(response.status)
    }
  })

  describe('says what is answered:', async () => {
    const away = async () => {
      throw new StoreUnavailable('no route to host', 'unknown')
    }
    const withoutStore = await serve({
      modules: modulesWith({ events: { ...store, append: away } }),
      health: () => ({ ...healthy, ready: false }),
    })
    const overloaded = await serve({ modules: modulesWith({ admit: () => Promise.reject(new Overloaded(1)) }) })
    const notReady = () => {
      throw new ReadModelNotReady('building')
    }
    const withoutReadModel = await serve({
      modules: modulesWith({ queries: Object.assign(Object.create(readModel), { query: notReady }) }),
    })
    const behind = await serve({ readModel: { reached: async () => false } })
    const registered = aUser()
    const key = { 'Idempotency-Key': 'one' }
    const created = await fetch(`${url}/user/registration`, json(registered, key))
    const token = { 'Consistency-Token': created.headers.get('Consistency-Token') ?? '' }
    const location = created.headers.get('Location') ?? ''
    const unchanged = { headers: { ...token, 'If-None-Match': '*' } }

    const registrationAt = `${url}/user/registration`
    const graphqlAt = `${url}/graphql`
    const bodies = (at: string): Record<string, readonly [string, RequestInit]> => ({
      '400 malformed-json': [at, json('{')],
      '413 content-too-large': [at, json({ username: 'x'.repeat(20_000) })],
      '415 unsupported-media-type': [at, { method: 'POST', body: 'x' }],
    })
    const queries = (path: string): Record<string, readonly [string, RequestInit]> => ({
      '400 malformed-consistency-token': [url + path, { headers: { 'Consistency-Token': 'x' } }],
      '503 read-model-behind': [behind + path, { headers: token }],
      '503 read-model-not-ready': [withoutReadModel + path, {}],
    })
    const requests: Record<string, Record<string, readonly [string, RequestInit]>> = {
      'POST /user/registration': {
        ...bodies(registrationAt),
        201: [registrationAt, json(aUser())],
        '409 email-already-registered': [registrationAt, json(registered)],
        '422 validation': [registrationAt, json({ username: '' })],
        '422 idempotency-key-reused': [registrationAt, json({ ...registered, username: 'Other' }, key)],
        '503 event-store-unavailable': [`${withoutStore}/user/registration`, json(aUser())],
        '503 overloaded': [`${overloaded}/user/registration`, json(aUser())],
      },
      'GET /users': {
        ...queries('/users'),
        200: [`${url}/users?limit=1`, { headers: token }],
        304: [`${url}/users?email=${registered.email}`, unchanged],
        '422 validation': [`${url}/users?limit=x`, {}],
      },
      'GET /users/{id}': {
        ...queries(location),
        200: [url + location, { headers: token }],
        304: [url + location, unchanged],
        '404 user-not-found': [`${url}/users/nobody`, {}],
      },
      'POST /graphql': {
        ...bodies(graphqlAt),
        200: [graphqlAt, json({ query: '{ apiVersion }' })],
        '400 malformed-consistency-token': [graphqlAt, json({ query: '{ apiVersion }' }, { 'Consistency-Token': 'x' })],
        '422 validation': [graphqlAt, json({ query: '{ apiVersion }' }, { 'X-Initiated-By': 'Á' })],
        '503 read-model-behind': [`${behind}/graphql`, json({ query: '{ apiVersion }' }, token)],
        '503 overloaded': [`${overloaded}/graphql`, json({ query: 'mutation { newTodo(text: "x") { id } }' })],
      },
      'GET /': { 200: [`${url}/`, {}] },
      'GET /problems/{slug}': {
        200: [`${url}/problems/validation`, {}],
        '404 not-found': [`${url}/problems/none`, {}],
      },
      'GET /metrics': { 200: [`${url}/metrics`, {}] },
      'GET /health/live': { 200: [`${url}/health/live`, {}] },
      'GET /health/ready': { 200: [`${url}/health/ready`, {}], 503: [`${withoutStore}/health/ready`, {}] },
    }
    const all = Object.entries(requests).flatMap(([route, answers]) =>
      Object.entries(answers).map(([expected, request]) => ({ route, expected, request })),
    )

    it.each(all)('$route $expected', async ({ route, expected, request: [at, init] }) => {
      const [method = '', path = ''] = route.split(' ')
      const [status = '', slug] = expected.split(' ')
      const response = await fetch(at, init)
      expect(response.status).toBe(Number(status))
      const place = ['paths', path, method.toLowerCase(), 'responses', status]
      const said = document.paths[path]?.[method.toLowerCase()]?.responses[status]
      for (const [name, { required }] of Object.entries(said?.headers ?? {})) {
        const value = response.headers.get(name)
        if (value === null) expect(required ?? false, name).toBe(false)
        else expect(faults(value, ...place, 'headers', name, 'schema'), name).toBeNull()
      }
      if (!said?.content) return
      const [mediaType = ''] = (response.headers.get('Content-Type') ?? '').split(';')
      const body: unknown = mediaType.endsWith('json') ? await response.json() : await response.text()
      expect(faults(body, ...place, 'content', mediaType, 'schema')).toBeNull()
      if (slug !== undefined) expect(body).toMatchObject({ type: `/problems/${slug}` })
    })

    it('all of it, but for what nothing makes happen from outside', () => {
      const asked = all.map(({ route, expected }) => `${route} ${expected}`)
      // Transfer codings need a client that is not fetch: see the tests of the server.
      const outside = documented.filter((name) => !/ (internal-error|not-implemented)$/.test(name))
      expect(asked.sort()).toEqual(outside.sort())
    })
  })
})

function json(body: unknown, headers: Record<string, string> = {}): RequestInit {
  return {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  }
}
