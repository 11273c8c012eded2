import { describe, expect, it } from 'vitest'
import { StoreUnavailable } from '../../src/cqrs/event-store.ts'
import { startTodos } from './service.ts'

const { ask, newTodo, serviceWith, store, logged } = await startTodos()

const unknownId = '01ARZ3NDEKTSV4RRFFQ69G5FAV'
const change = (fields: string) => `mutation ($id: ID!) { todo(id: $id) { ${fields} } }`

describe('newTodo', () => {
  it('creates a to-do and shows it', async () => {
    const query =
      'mutation { newTodo(text: " Buy milk ", reminderTime: "2100-01-01T00:00:00+01:00") ' +
      '{ id description reminder completed version } }'
    const { data, token } = await ask(query)
    expect(data).toEqual({
      newTodo: {
        id: expect.stringMatching(/^[0-9A-HJKMNP-TV-Z]{26}$/),
        ...{ description: 'Buy milk', reminder: '2099-12-31T23:00:00.000Z', completed: false, version: 2 },
      },
    })
    expect(token).toMatch(/^\d+$/)
  })

  it('creates several in one request', async () => {
    const { data } = await ask('mutation { a: newTodo(text: "a") { version } b: newTodo(text: "b") { version } }')
    expect(data).toEqual({ a: { version: 1 }, b: { version: 1 } })
  })

  it('records who caused it and which request, as X-Initiated-By and X-Request-Id say', async () => {
    const headers = { 'X-Initiated-By': 'ada', 'X-Request-Id': 'request-1' }
    const { data } = await ask('mutation { newTodo(text: "x") { id } }', {}, headers)
    const { id } = Object(Object(data).newTodo)
    for await (const { metadata } of store.read(`todo-${id}`)) {
      expect(metadata).toMatchObject({ initiatedBy: 'ada', correlationId: 'request-1', causationId: 'request-1' })
    }
  })

  it.each([
    ['text: ""', 'INVALID_DESCRIPTION', 'The description must not be empty.'],
    [
      'text: "x", reminderTime: "2000-01-01T00:00:00Z"',
      'REMINDER_NOT_IN_FUTURE',
      'The reminder must be in the future.',
    ],
  ])('is refused for newTodo(%s)', async (parameters, code, message) => {
    const { response, data, errors } = await ask(`mutation { newTodo(${parameters}) { id } }`)
    expect(response.status).toBe(200)
    expect(data).toEqual({ newTodo: null })
    expect(errors).toMatchObject([{ message, path: ['newTodo'], extensions: { code } }])
  })

  it.each(['"tomorrow"', '"2100-01-01"', '"2100-01-01T00:00:00"', '"2100-02-30T00:00:00Z"', '4102444800000'])(
    'takes no %s for a time',
    async (time) => {
      const { codes, data } = await ask(`mutation { newTodo(text: "x", reminderTime: ${time}) { id } }`)
      expect([codes, data]).toEqual([['GRAPHQL_VALIDATION_FAILED'], undefined])
    },
  )

  it('asks its clock what is in the future', async () => {
    const early = serviceWith({ clock: () => new Date('1999-01-01') })
    const { data } = await early.ask(
      'mutation { newTodo(text: "x", reminderTime: "2000-01-01T00:00:00Z") { version } }',
    )
    expect(data).toEqual({ newTodo: { version: 2 } })
  })
})

describe('the commands on a to-do', () => {
  it('each show the to-do as it is after them', async () => {
    const { id } = await newTodo()
    const { data, errors } = await ask(
      change(`setDescription(text: "Buy bread") { id description version }
        setReminder(time: "2100-01-01T00:00:00Z") { reminder version }
        complete { completed version }
        reset { completed version }
        toggle { completed version }
        cancelReminder { reminder version }
        again: cancelReminder { reminder version }`),
      { id },
    )
    expect(errors).toEqual([])
    expect(data).toEqual({
      todo: {
        setDescription: { id, description: 'Buy bread', version: 2 },
        setReminder: { reminder: '2100-01-01T00:00:00.000Z', version: 3 },
        complete: { completed: true, version: 4 },
        reset: { completed: false, version: 5 },
        toggle: { completed: true, version: 6 },
        cancelReminder: { reminder: null, version: 7 },
        again: { reminder: null, version: 7 },
      },
    })
  })

  it('run in the order written, over all parts of the request', async () => {
    const { id } = await newTodo()
    const toggles = (part: string) => Array.from({ length: 8 }, (_, n) => `${part}${n}: toggle { version completed }`)
    const { data } = await ask(
      `mutation ($id: ID!) { one: todo(id: $id) { ${toggles('a').join(' ')} ...Rest } two: todo(id: $id) { ...Rest } }
       fragment Rest on TodoCommands { ${toggles('r').join(' ')} }`,
      { id },
    )
    const shown = Object.values(Object(data)).flatMap((part) => Object.values(Object(part)))
    expect(shown).toEqual(Array.from({ length: 24 }, (_, n) => ({ version: n + 2, completed: n % 2 === 0 })))
  })

  it('show the events up to the version that they led to, though later ones follow in the same request', async () => {
    const { id } = await newTodo()
    const { data } = await ask(change('a: toggle { events { sequence } } b: toggle { events { sequence } }'), { id })
    expect(data).toEqual({
      todo: {
        a: { events: [{ sequence: 2 }, { sequence: 1 }] },
        b: { events: [{ sequence: 3 }, { sequence: 2 }, { sequence: 1 }] },
      },
    })
  })

  it('run where the to-do is at the expected version', async () => {
    const { id } = await newTodo()
    const { data, errors } = await ask(
      change(`setDescription(text: "x", expectedVersion: 1) { version }
        setReminder(time: "2100-01-01T00:00:00Z", expectedVersion: 2) { version }
        cancelReminder(expectedVersion: 3) { version }
        toggle(expectedVersion: 4) { version }
        reset(expectedVersion: 5) { version }
        complete(expectedVersion: 6) { version }`),
      { id },
    )
    expect(errors).toEqual([])
    expect(data).toMatchObject({ todo: { setDescription: { version: 2 }, complete: { version: 7 } } })
  })

  it.each([
    'setDescription(text: "x", expectedVersion: 2)',
    'setReminder(time: "2100-01-01T00:00:00Z", expectedVersion: 2)',
    'cancelReminder(expectedVersion: 2)',
    'toggle(expectedVersion: 2)',
    'reset(expectedVersion: 2)',
    'complete(expectedVersion: 2)',
  ])('are refused where it is not: %s', async (command) => {
    const { id } = await newTodo()
    const { data, errors } = await ask(change(`it: ${command} { version }`), { id })
    expect(data).toEqual({ todo: { it: null } })
    expect(errors).toMatchObject([
      {
        message: 'The to-do is at version 1, but the command was for version 2.',
        path: ['todo', 'it'],
        extensions: { code: 'VERSION_CONFLICT', expectedVersion: 2, actualVersion: 1 },
      },
    ])
  })

  it('let one of many with the same expected version through', async () => {
    const { id } = await newTodo()
    const attempts = Array.from({ length: 10 }, () => ask(change('toggle(expectedVersion: 1) { version }'), { id }))
    const codes = (await Promise.all(attempts)).map(({ codes }) => codes[0])
    expect(codes.filter((code) => code === undefined)).toHaveLength(1)
    expect(codes.filter((code) => code === 'VERSION_CONFLICT')).toHaveLength(9)
  })

  it('are refused where there is no to-do; the others run all the same', async () => {
    const { id } = await newTodo()
    const query = `mutation ($id: ID!) { none: todo(id: "${unknownId}") { toggle { id } } some: todo(id: $id) {
      bad: setDescription(text: "") { id } toggle { version } } }`
    const { data, errors } = await ask(query, { id })
    expect(data).toEqual({ none: { toggle: null }, some: { bad: null, toggle: { version: 2 } } })
    expect(errors).toMatchObject([
      { path: ['none', 'toggle'], extensions: { code: 'NOT_INITIALISED' } },
      { path: ['some', 'bad'], extensions: { code: 'INVALID_DESCRIPTION' } },
    ])
  })

  it.each([
    ['x', 'toggle', 'The argument id must be a ULID: 26 characters of base 32.'],
    [unknownId, 'toggle(expectedVersion: 0)', 'The argument expectedVersion must be a whole number from 1.'],
  ])('are refused for the arguments %s, %s', async (id, command, message) => {
    const { errors } = await ask(change(`${command} { id }`), { id })
    expect(errors).toMatchObject([{ message, extensions: { code: 'BAD_USER_INPUT' } }])
  })

  it('take an id in lower case', async () => {
    const { id } = await newTodo()
    const { data } = await ask(change('toggle { id }'), { id: id.toLowerCase() })
    expect(data).toEqual({ todo: { toggle: { id } } })
  })

  it('make a snapshot every ten events, from which the to-do goes on', async () => {
    const { id } = await newTodo()
    const toggles = Array.from({ length: 25 }, (_, n) => `t${n}: toggle { version }`).join(' ')
    expect(await ask(change(toggles), { id })).toMatchObject({ data: { todo: { t24: { version: 26 } } } })
    const snapshots = []
    for await (const { data } of store.read(`snapshot-todo-${id}`)) snapshots.push(data)
    expect(snapshots).toMatchObject([{ version: 20, state: { description: 'Buy milk' } }])
    expect(await ask(change('toggle { version completed }'), { id })).toMatchObject({
      data: { todo: { toggle: { version: 27, completed: false } } },
    })
  })
})

describe('where the event store is away', () => {
  const away = (outcome: 'unknown' | 'not-appended') => {
    const fails = () => Promise.reject(new StoreUnavailable('nobody answers', outcome))
    return serviceWith({ events: { ...store, append: fails } })
  }

  it.each(['unknown', 'not-appended'] as const)(
    'a command is answered with 503 and the outcome %s',
    async (outcome) => {
      const { response, data, errors, token } = await away(outcome).ask('mutation { newTodo(text: "x") { id } }')
      expect(response.status).toBe(503)
      expect(response.headers.get('Retry-After')).toBe('2')
      expect(data).toEqual({ newTodo: null })
      expect(errors).toMatchObject([{ extensions: { code: 'EVENT_STORE_UNAVAILABLE', outcome } }])
      expect(errors[0]?.message).not.toContain('nobody')
      expect(token).toBeUndefined()
    },
  )

  it('the answer is 200 where some of the request was done', async () => {
    const { id } = await newTodo()
    const { response, data, codes } = await away('unknown').ask(change('reset { version } toggle { version }'), { id })
    expect(response.status).toBe(200)
    expect(data).toEqual({ todo: { reset: { version: 1 }, toggle: null } })
    expect(codes).toEqual(['EVENT_STORE_UNAVAILABLE'])
  })
})

describe('an internal error', () => {
  it('is told without its cause, and logged with the id of the request', async () => {
    const broken = serviceWith({ events: { ...store, append: () => Promise.reject(new Error('secret')) } })
    const headers = { 'X-Request-Id': 'request-of-the-bug' }
    const { response, errors } = await broken.ask('mutation { newTodo(text: "x") { id } }', {}, headers)
    expect(response.status).toBe(500)
    expect(errors).toEqual([
      {
        message: 'Something went wrong inside: it has been logged.',
        ...{ path: ['newTodo'], locations: [{ line: 1, column: 12 }], extensions: { code: 'INTERNAL_ERROR' } },
      },
    ])
    const err = expect.objectContaining({ message: 'secret' })
    expect(logged).toContainEqual({ requestId: 'request-of-the-bug', err })
  })

  it('is an event that is corrupt', async () => {
    const { id } = await newTodo()
    const unknown = { id: crypto.randomUUID(), type: 'todo_forgotten', data: {}, metadata: {} }
    await store.append(`todo-${id}`, [unknown], { version: 1 })
    expect(await ask(change('toggle { id }'), { id })).toMatchObject({ codes: ['INTERNAL_ERROR'] })
  })
})
