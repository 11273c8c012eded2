import { buildClientSchema, getIntrospectionQuery, isObjectType, printType } from 'graphql'
import { describe, expect, it } from 'vitest'
import { Overloaded } from '../../src/cqrs/command-limit.ts'
import { problemOf } from '../http/service.ts'
import { startTodos } from './service.ts'

const { app, ask, post, newTodo, serviceWith } = await startTodos()

describe('POST /graphql', () => {
  it('is answered as application/json with the id of the request', async () => {
    const response = await post({ query: '{ apiVersion }' }, { 'X-Request-Id': 'mine' })
    expect(response.status).toBe(200)
    expect(response.headers.get('Content-Type')).toBe('application/json; charset=utf-8')
    expect(response.headers.get('X-Request-Id')).toBe('mine')
    expect(response.headers.get('Access-Control-Allow-Origin')).toBeNull()
  })

  it.each(['application/graphql-response+json', 'application/graphql-response+json, application/json;q=0.9'])(
    'is answered in the media type of GraphQL over HTTP for Accept: %s',
    async (Accept) => {
      const good = await post({ query: '{ apiVersion }' }, { Accept })
      expect(good.headers.get('Content-Type')).toBe('application/graphql-response+json; charset=utf-8')
      expect(good.status).toBe(200)
      for (const query of ['{', '{ nothing }', 'query ($first: Int) { allTodos(first: $first) { totalCount } }']) {
        expect((await post({ query, variables: { first: 'x' } }, { Accept })).status).toBe(400)
      }
    },
  )

  it.each(['text/event-stream', 'multipart/mixed', 'text/html', '*/*', 'image/png'])(
    'is answered in one piece for Accept: %s',
    async (Accept) => {
      const response = await post({ query: '{ apiVersion }' }, { Accept })
      expect(await response.json()).toEqual({ data: { apiVersion: '1.0' } })
    },
  )

  it('takes variables and the name of an operation', async () => {
    const { id } = await newTodo()
    const query = 'query A { apiVersion } query B($id: ID!) { todo(id: $id) { id } }'
    const response = await post({ query, variables: { id }, operationName: 'B', extensions: {} })
    expect(await response.json()).toEqual({ data: { todo: { id } } })
  })

  it.each([
    [[{ query: '{ apiVersion }' }], 'Batching is not supported.'],
    [null, 'POST body is expected to be object but received null'],
    ['x', 'POST body is expected to be object but received string'],
    [{ query: 7 }, 'Expected "query" param to be a string, but given number.'],
    [
      { query: '{ apiVersion }', variables: [] },
      'Expected "variables" param to be empty or an object, but given array.',
    ],
    [{ query: '{ apiVersion }', more: 1 }, 'Unexpected parameter "more" in the request body.'],
    [{ query: '{ apiVersion }', operationName: 'B' }, 'Could not determine what operation to execute.'],
  ])('is refused with 400 for the body %j', async (body, message) => {
    const response = await post(body)
    expect(response.status).toBe(400)
    expect(response.headers.get('Allow')).toBeNull()
    expect(await response.json()).toMatchObject({ errors: [{ message, extensions: { code: expect.any(String) } }] })
  })

  it.each([
    ['{', 'GRAPHQL_PARSE_FAILED'],
    ['', 'GRAPHQL_PARSE_FAILED'],
    ['{ nothing }', 'GRAPHQL_VALIDATION_FAILED'],
    ['{ todo { id } }', 'GRAPHQL_VALIDATION_FAILED'],
    ['subscription { todo }', 'BAD_USER_INPUT'],
  ])('answers to %j with the code %s', async (query, code) => {
    expect(await ask(query)).toMatchObject({ codes: [code], data: undefined })
  })

  it('says which variable has a bad value', async () => {
    const query = 'mutation ($time: DateTime!) { newTodo(text: "x", reminderTime: $time) { id } }'
    const { errors } = await ask(query, { time: 'soon' })
    expect(errors[0]?.message).toMatch(/^Variable "\$time" got invalid value "soon"/)
    expect(errors[0]?.extensions.code).toBe('BAD_USER_INPUT')
  })

  it.each([
    [400, 'malformed-json', '{', {}],
    [413, 'content-too-large', `{"query":"{ apiVersion }${' '.repeat(20_000)}"}`, {}],
    [415, 'unsupported-media-type', '{ apiVersion }', { 'Content-Type': 'application/graphql' }],
    [415, 'unsupported-media-type', 'query=%7BapiVersion%7D', { 'Content-Type': 'application/x-www-form-urlencoded' }],
    [415, 'unsupported-media-type', 'x', { 'Content-Type': 'multipart/form-data; boundary=x' }],
    [422, 'validation', '{"query":"{ apiVersion }"}', { 'X-Initiated-By': 'Ada Lovelace' }],
  ])('is refused by the rules of the rest of the API: %i %s', async (status, slug, body, headers) => {
    const all = { 'Content-Type': 'application/json', ...headers }
    const response = await app.request('/graphql', { method: 'POST', headers: all, body })
    expect(response.status).toBe(status)
    expect(await problemOf(response)).toMatchObject({ type: `/problems/${slug}`, instance: '/graphql' })
  })

  it('is linked in the HAL root', async () => {
    const { _links } = Object(await (await app.request('/')).json())
    expect(_links.graphql).toEqual({ href: '/graphql' })
  })
})

describe('a request that costs too much', () => {
  const nested = (levels: number) =>
    `{ allTodos(first: 1) { ${'... on TodoConnection { '.repeat(levels)} totalCount ${'} '.repeat(levels)} } }`
  const commands = (count: number) =>
    `mutation { ${Array.from({ length: count }, (_, n) => `n${n}: newTodo(text: "x") { id }`).join(' ')} }`

  it.each([
    ['the events of a long list', '{ allTodos(first: 200) { edges { node { events { sequence } } } } }'],
    ['more than its share of commands', commands(100)],
    [
      'the same list again and again',
      `{ ${'a: allTodos { edges { node { events(maxCount: 1) { sequence } } } } '.repeat(4)} }`,
    ],
  ])('is refused before anything is done: %s', async (_, query) => {
    const { codes, data, errors } = await ask(query)
    expect(new Set(codes)).toEqual(new Set(['QUERY_TOO_COMPLEX']))
    expect(errors[0]?.message).toMatch(/^The request costs \d+, allowed are 10000: ask for smaller pages\.$/)
    expect(Object.values(Object(data)).every((value) => value === null)).toBe(true)
  })

  it('is refused where the sizes of its pages come in variables', async () => {
    const query = 'query ($n: Int) { allTodos(first: $n) { edges { node { events(maxCount: $n) { sequence } } } } }'
    expect((await ask(query, { n: 1 })).codes).toEqual([])
    expect((await ask(query, { n: 200 })).codes).toEqual(['QUERY_TOO_COMPLEX'])
  })

  it('is refused where it has too many tokens', async () => {
    const { errors } = await ask(`{ ${'x '.repeat(2000)} }`)
    expect(errors[0]?.message).toMatch(/more tha[nt] 2000 tokens/)
  })

  it.each([
    [
      'a page of 200',
      '{ allTodos(first: 200) { totalCount edges { id cursor node { id description completed version } } } }',
    ],
    ['99 commands', commands(99)],
    ['hundreds of inline fragments in each other', nested(390)],
    ['the deepest that there is', '{ allTodos(first: 1) { edges { node { events { metadata { initiatedBy } } } } } }'],
  ])('is not %s', async (_, query) => {
    expect((await ask(query)).codes).toEqual([])
  })

  it('is refused where it asks for the schema again and again', async () => {
    const schemas = (count: number) => Array.from({ length: count }, (_, n) => `s${n}: __schema { ...F }`).join(' ')
    const query = (count: number) => `{ ${schemas(count)} } fragment F on __Schema { types { name } }`
    expect((await ask(query(10))).codes).toEqual([])
    expect((await ask(query(200))).codes).toEqual(['QUERY_TOO_COMPLEX'])
  })

  it('is refused where it asks for the schema deeper and deeper', async () => {
    const types = (levels: number): string => (levels === 0 ? 'name' : `fields { type { ${types(levels - 1)} } }`)
    expect((await ask(`{ __schema { types { ${types(8)} } } }`)).codes).toContain('GRAPHQL_VALIDATION_FAILED')
  })
})

describe('the schema', () => {
  it('is the one of the contract', async () => {
    const { data } = await ask(getIntrospectionQuery())
    const schema = buildClientSchema(Object(data))
    const fields = (name: string) => {
      const type = schema.getType(name)
      if (!isObjectType(type)) throw new Error(`${name} is no object type`)
      return Object.values(type.getFields()).map((field) => {
        const parameters = field.args.map(({ name, type }) => `${name}: ${type}`).join(', ')
        return `${field.name}${parameters && `(${parameters})`}: ${field.type}`
      })
    }
    const types = [
      'Query',
      'Mutation',
      'TodoCommands',
      'Todo',
      'VersionedTodoEvent',
      'TodoConnection',
      'TodoEdge',
      'PageInfo',
    ]
    expect(Object.fromEntries(types.map((name) => [name, fields(name)]))).toEqual({
      Query: ['allTodos(after: String, first: Int): TodoConnection!', 'apiVersion: String!', 'todo(id: ID!): Todo'],
      Mutation: ['newTodo(reminderTime: DateTime, text: String!): Todo', 'todo(id: ID!): TodoCommands'],
      TodoCommands: [
        'cancelReminder(expectedVersion: Int): Todo',
        'complete(expectedVersion: Int): Todo',
        'reset(expectedVersion: Int): Todo',
        'setDescription(expectedVersion: Int, text: String!): Todo',
        'setReminder(expectedVersion: Int, time: DateTime!): Todo',
        'toggle(expectedVersion: Int): Todo',
      ],
      Todo: [
        'completed: Boolean!',
        'description: String!',
        'events(before: Int, maxCount: Int): [VersionedTodoEvent!]!',
        'id: ID!',
        'reminder: DateTime',
        'version: Int!',
      ],
      VersionedTodoEvent: ['event: TodoEvent!', 'metadata: Metadata!', 'sequence: Int!'],
      TodoConnection: ['edges: [TodoEdge!]!', 'pageInfo: PageInfo!', 'totalCount: Int!'],
      TodoEdge: ['cursor: String!', 'id: ID!', 'node: Todo!'],
      PageInfo: ['endCursor: String', 'hasNextPage: Boolean!'],
    })
    const union = schema.getType('TodoEvent')
    expect(union && printType(union)).toContain(
      'union TodoEvent = TodoCompleted | TodoCreated | TodoDescriptionUpdated | TodoReminderUpdated | TodoUncompleted',
    )
  })
})

describe('GET /graphql', () => {
  it('shows GraphiQL, which has all of its parts in the page and may load nothing', async () => {
    const response = await app.request('/graphql', { headers: { Accept: 'text/html' } })
    expect(response.status).toBe(200)
    expect(response.headers.get('Content-Type')).toBe('text/html; charset=UTF-8')
    const html = await response.text()
    expect(html).toContain('"endpoint":"/graphql"')
    // The tags before the scripts, which are data to the parser of the page.
    const head = html.slice(0, html.indexOf('<script'))
    expect(head.match(/<(?:link|img|iframe|style|script)\b[^>]{0,60}/g)).toEqual([
      expect.stringMatching(/^<link rel="icon" href="data:image/),
      '<style',
    ])
    expect(head).not.toMatch(/@import|url\(\s*["']?(?!data:|#)/)
    expect(html).not.toMatch(/<script[^>]+src=["']?(?:https?:)?\/\//)
    const policy = response.headers.get('Content-Security-Policy')?.split('; ') ?? []
    expect(policy).toContain("default-src 'none'")
    expect(policy.join(' ')).not.toMatch(/https?:|\*/)
  })

  it('answers no query', async () => {
    const response = await app.request('/graphql?query=%7BapiVersion%7D')
    expect(response.headers.get('Content-Type')).toMatch(/^text\/html/)
    await response.body?.cancel()
  })

  it('is not allowed where GraphiQL is switched off', async () => {
    const { app } = serviceWith({ graphiql: false })
    const response = await app.request('/graphql')
    expect(response.status).toBe(405)
    expect(response.headers.get('Allow')).toBe('POST, OPTIONS')
    expect(await problemOf(response)).toMatchObject({ type: '/problems/method-not-allowed' })
  })
})

describe('a mutation that is one command too many', () => {
  const count = '{ allTodos(first: 1) { totalCount } }'
  const refuse = () => Promise.reject(new Overloaded(1))

  it('is refused as a whole with 503, as a problem', async () => {
    const before = await ask(count)
    const busy = serviceWith({ admit: refuse })
    const response = await busy.post({
      query: 'mutation { a: newTodo(text: "a") { id } b: newTodo(text: "b") { id } }',
    })
    expect(response.status).toBe(503)
    expect(response.headers.get('Retry-After')).toBe('1')
    expect(await problemOf(response)).toMatchObject({ type: '/problems/overloaded', outcome: 'not-appended' })
    expect((await ask(count)).data).toEqual(before.data)
  })

  it('keeps no query from being answered', async () => {
    const { data } = await serviceWith({ admit: refuse }).ask('{ apiVersion allTodos(first: 1) { totalCount } }')
    expect(data).toMatchObject({ apiVersion: '1.0' })
  })
})
