import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { StoreUnavailable } from '../../src/cqrs/event-store.ts'
import { startTodos } from './service.ts'

const { ask, newTodo, serviceWith, store } = await startTodos()

const unknownId = '01ARZ3NDEKTSV4RRFFQ69G5FAV'

it('apiVersion is 1.0', async () => {
  expect(await ask('{ apiVersion }')).toMatchObject({ data: { apiVersion: '1.0' }, errors: [] })
})

describe('todo', () => {
  it('shows a to-do at once, without a token', async () => {
    const { id } = await newTodo()
    const { data } = await ask('query ($id: ID!) { todo(id: $id) { id description reminder completed version } }', {
      id,
    })
    expect(data).toEqual({
      todo: { id, description: 'Buy milk', reminder: null, completed: false, version: 1 },
    })
  })

  it('is null for an unknown id', async () => {
    expect(await ask(`{ todo(id: "${unknownId}") { id } }`)).toMatchObject({ data: { todo: null }, errors: [] })
  })

  it.each(['', 'x', `${unknownId}0`, '81ARZ3NDEKTSV4RRFFQ69G5FAV', '01ARZ3NDEKTSV4RRFFQ69G5FAU'])(
    'refuses the id %j',
    async (id) => {
      const { data, errors } = await ask('query ($id: ID!) { todo(id: $id) { id } }', { id })
      expect(data).toEqual({ todo: null })
      expect(errors).toMatchObject([
        {
          message: 'The argument id must be a ULID: 26 characters of base 32.',
          ...{ path: ['todo'], extensions: { code: 'BAD_USER_INPUT', argument: 'id' } },
        },
      ])
    },
  )
})

describe('the events of a to-do', () => {
  const all = `sequence metadata { initiatedBy } event { __typename
    ... on TodoCreated { description } ... on TodoDescriptionUpdated { description }
    ... on TodoReminderUpdated { reminder } ... on TodoCompleted { completed } ... on TodoUncompleted { completed } }`

  async function withHistory() {
    const { id } = await newTodo()
    const commands = `setDescription(text: "Buy bread") { id } setReminder(time: "2100-01-01T00:00:00Z") { id }
      cancelReminder { id } complete { id } reset { id }`
    await ask(`mutation { todo(id: "${id}") { ${commands} } }`, {}, { 'X-Initiated-By': 'ada' })
    return id
  }

  it('come newest first, each with a type of its own and who caused it', async () => {
    const id = await withHistory()
    const { data } = await ask(`{ todo(id: "${id}") { version events { ${all} } } }`)
    const metadata = { initiatedBy: 'ada' }
    expect(data).toEqual({
      todo: {
        version: 6,
        events: [
          { sequence: 6, metadata, event: { __typename: 'TodoUncompleted', completed: false } },
          { sequence: 5, metadata, event: { __typename: 'TodoCompleted', completed: true } },
          { sequence: 4, metadata, event: { __typename: 'TodoReminderUpdated', reminder: null } },
          { sequence: 3, metadata, event: { __typename: 'TodoReminderUpdated', reminder: '2100-01-01T00:00:00.000Z' } },
          { sequence: 2, metadata, event: { __typename: 'TodoDescriptionUpdated', description: 'Buy bread' } },
          {
            ...{ sequence: 1, metadata: { initiatedBy: 'anonymous' } },
            event: { __typename: 'TodoCreated', description: 'Buy milk' },
          },
        ],
      },
    })
  })

  it.each([
    ['maxCount: 2', [6, 5]],
    ['before: 6', [5, 4, 3, 2, 1]],
    ['before: 5, maxCount: 2', [4, 3]],
    ['before: 2, maxCount: 200', [1]],
    ['before: 1', []],
    ['before: 2147483647', [6, 5, 4, 3, 2, 1]],
  ])('are those asked for with %s', async (parameters, sequences) => {
    const id = await withHistory()
    const { data } = await ask(`{ todo(id: "${id}") { events(${parameters}) { sequence } } }`)
    expect(data).toEqual({ todo: { events: sequences.map((sequence) => ({ sequence })) } })
  })

  it.each(['before: 0', 'before: -1', 'maxCount: 0', 'maxCount: 201', 'maxCount: -1'])(
    'refuse %s',
    async (parameters) => {
      const { id } = await newTodo()
      const { codes, errors } = await ask(`{ todo(id: "${id}") { events(${parameters}) { sequence } } }`)
      expect(codes).toEqual(['BAD_USER_INPUT'])
      expect(errors[0]?.message).toMatch(/^The argument (before|maxCount) must be /)
    },
  )

  it('whose writer did not say who caused them are by nobody', async () => {
    const { id } = await newTodo()
    const foreign = { id: crypto.randomUUID(), type: 'todo_completed', data: {}, metadata: {} }
    await store.append(`todo-${id}`, [foreign], { version: 1 })
    const { data } = await ask(`{ todo(id: "${id}") { events(maxCount: 1) { metadata { initiatedBy } } } }`)
    expect(data).toEqual({ todo: { events: [{ metadata: { initiatedBy: null } }] } })
  })
})

const list = z.object({
  allTodos: z.object({
    totalCount: z.int(),
    edges: z.array(z.object({ id: z.string(), cursor: z.string(), node: z.object({ id: z.string() }) })),
    pageInfo: z.object({ hasNextPage: z.boolean(), endCursor: z.string().nullable() }),
  }),
})

/** Others write to the store at the same time: only the order of ours is known. */
describe('allTodos', () => {
  const query = `query ($first: Int, $after: String) { allTodos(first: $first, after: $after) {
    totalCount edges { id cursor node { id } } pageInfo { hasNextPage endCursor } } }`
  const page = async (variables: object, headers: Record<string, string> = {}) => {
    const { data, errors, token } = await ask(query, variables, headers)
    expect(errors).toEqual([])
    return { ...list.parse(data).allTodos, token }
  }

  it('leads from the newest to the oldest, each once', async () => {
    const ours: string[] = []
    let token = ''
    for (let n = 0; n < 7; n++) {
      const created = await newTodo(`No. ${n}`)
      ours.unshift(created.id)
      token = created.token
    }
    const found: string[] = []
    for (let after: string | null = null; ; ) {
      const { edges, pageInfo } = await page({ first: 3, after }, { 'Consistency-Token': token })
      expect(edges.length).toBeLessThanOrEqual(3)
      expect(edges.map(({ node }) => node.id)).toEqual(edges.map(({ id }) => id))
      expect(pageInfo.endCursor).toBe(edges.at(-1)?.cursor ?? null)
      found.push(...edges.map(({ id }) => id))
      after = pageInfo.endCursor
      if (!pageInfo.hasNextPage) break
    }
    expect(found.filter((id) => ours.includes(id))).toEqual(ours)
    expect(new Set(found).size).toBe(found.length)
    const { totalCount } = await page({ first: 1 })
    expect(totalCount).toBeGreaterThanOrEqual(found.length)
  })

  it('goes on after any edge', async () => {
    const older = await newTodo()
    const newer = await newTodo()
    const { edges } = await page({ first: 200 }, { 'Consistency-Token': newer.token })
    const after = edges.find(({ id }) => id === newer.id)?.cursor
    const rest = await page({ first: 200, after })
    const ids = rest.edges.map(({ id }) => id)
    expect(ids).toContain(older.id)
    expect(ids).not.toContain(newer.id)
  })

  it('has 50 to-dos on a page where nothing is said', async () => {
    const many = Array.from({ length: 51 }, (_, n) => `n${n}: newTodo(text: "x") { id }`)
    await ask(`mutation { ${many.join(' ')} }`)
    const { token = '' } = await ask('mutation { newTodo(text: "x") { id } }')
    expect((await page({}, { 'Consistency-Token': token })).edges).toHaveLength(50)
    expect((await page({ first: null })).edges).toHaveLength(50)
  })

  it('is empty behind its end', async () => {
    const { edges, pageInfo } = await page({ after: Buffer.from('todo:0').toString('base64url') })
    expect([edges, pageInfo]).toEqual([[], { hasNextPage: false, endCursor: null }])
  })

  it('shows to-dos with their version and their events', async () => {
    const { id } = await newTodo()
    const { token = '' } = await ask(`mutation { todo(id: "${id}") { toggle { id } } }`)
    const fields = 'id description reminder completed version events { sequence event { __typename } }'
    const headers = { 'Consistency-Token': token }
    const { data } = await ask(`{ allTodos(first: 10) { edges { node { ${fields} } } } }`, {}, headers)
    expect(Object(data).allTodos.edges).toContainEqual({
      node: {
        ...{ id, description: 'Buy milk', reminder: null, completed: true, version: 2 },
        events: [
          { sequence: 2, event: { __typename: 'TodoCompleted' } },
          { sequence: 1, event: { __typename: 'TodoCreated' } },
        ],
      },
    })
  })

  it.each([
    ['first: 0', 'The argument first must be from 1 to 200.'],
    ['first: 201', 'The argument first must be from 1 to 200.'],
    ['first: -5', 'The argument first must be from 1 to 200.'],
    ['after: ""', 'The argument after must be a cursor of an edge, or an endCursor.'],
    ['after: "x"', 'The argument after must be a cursor of an edge, or an endCursor.'],
    ['after: "dG9kbzoyIA"', 'The argument after must be a cursor of an edge, or an endCursor.'],
  ])('refuses %s', async (parameters, message) => {
    const { errors, response } = await ask(`{ allTodos(${parameters}) { totalCount } }`)
    expect(response.status).toBe(200)
    expect(errors).toMatchObject([{ message, extensions: { code: 'BAD_USER_INPUT' } }])
  })
})

describe('the Consistency-Token', () => {
  const first = '{ allTodos(first: 200) { edges { id } } }'

  it('of a command makes the list show what it did, every time', async () => {
    for (let round = 0; round < 30; round++) {
      const { id, token } = await newTodo()
      const { data, token: shown } = await ask(first, {}, { 'Consistency-Token': token })
      expect(Object(data).allTodos.edges).toContainEqual({ id })
      expect(Number(shown)).toBeGreaterThanOrEqual(Number(token))
    }
  })

  it('of a to-do makes the list as new as the to-do was, also where a command changed nothing', async () => {
    for (const query of [
      'query ($id: ID!) { todo(id: $id) { id } }',
      'mutation ($id: ID!) { todo(id: $id) { reset { id } } }',
    ]) {
      const { id, token } = await newTodo()
      const shown = await ask(query, { id })
      expect(Number(shown.token)).toBeGreaterThanOrEqual(Number(token))
      const { data } = await ask(first, {}, { 'Consistency-Token': shown.token ?? '' })
      expect(Object(data).allTodos.edges).toContainEqual({ id })
    }
  })

  it('is on every answer to a query', async () => {
    for (const query of ['{ apiVersion }', `{ todo(id: "${unknownId}") { id } }`, '{ __typename }', first]) {
      expect((await ask(query)).token).toMatch(/^\d+$/)
    }
  })

  it('is waited for in vain where the read model does not get there: 503, as on REST', async () => {
    const { post } = serviceWith({ readModel: { reached: async () => false } })
    const headers = { 'Consistency-Token': '7', Prefer: 'wait=1' }
    const response = await post({ query: '{ apiVersion }' }, headers)
    expect(response.status).toBe(503)
    expect(response.headers.get('Retry-After')).toBe('1')
    expect(response.headers.get('Preference-Applied')).toBe('wait=1')
    expect(await response.json()).toMatchObject({ type: '/problems/read-model-behind', status: 503 })
  })

  it('is not waited for by commands', async () => {
    const { ask } = serviceWith({ readModel: { reached: async () => false } })
    const query = 'mutation { newTodo(text: "x") { version } }'
    expect(await ask(query, {}, { 'Consistency-Token': '7' })).toMatchObject({ data: { newTodo: { version: 1 } } })
  })

  it('that is malformed is refused with 400', async () => {
    const { post } = serviceWith()
    const response = await post({ query: '{ apiVersion }' }, { 'Consistency-Token': 'x' })
    expect(response.status).toBe(400)
    expect(await response.json()).toMatchObject({ type: '/problems/malformed-consistency-token' })
  })

  it('with Prefer: wait is answered with Preference-Applied', async () => {
    const { token, response } = await ask('{ apiVersion }')
    expect(response.headers.has('Preference-Applied')).toBe(false)
    const headers = { 'Consistency-Token': token ?? '', Prefer: 'wait=3' }
    expect((await ask('{ apiVersion }', {}, headers)).response.headers.get('Preference-Applied')).toBe('wait=3')
  })
})

describe('where a part of the service is away', () => {
  class ReadModelNotReady extends Error {
    override readonly name = 'ReadModelNotReady'
  }
  const notReady = () => {
    throw new ReadModelNotReady('being built')
  }

  it('the list is answered with 503, and a to-do is shown all the same', async () => {
    const { ask } = serviceWith({ queries: { query: notReady } })
    const { response, data, codes } = await ask('{ allTodos { totalCount } }')
    expect([response.status, data, codes]).toEqual([503, null, ['READ_MODEL_NOT_READY']])
    const { id } = await newTodo()
    expect(await ask(`{ todo(id: "${id}") { id } }`)).toMatchObject({ data: { todo: { id } }, errors: [] })
  })

  it('a to-do is answered with 503, and the list is shown all the same', async () => {
    const unavailable = new StoreUnavailable('nobody answers', 'not-appended')
    const read = () => ({ [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(unavailable) }) })
    const { ask } = serviceWith({ events: { ...store, read, readBackwards: read } })
    const { response, data, codes } = await ask(`{ todo(id: "${unknownId}") { id } }`)
    expect([response.status, data, codes]).toEqual([503, { todo: null }, ['EVENT_STORE_UNAVAILABLE']])
    expect(await ask('{ allTodos(first: 1) { totalCount } }')).toMatchObject({ errors: [] })
  })
})
