import { describe, expect, it } from 'vitest'
import type { RawEvent } from '../../src/cqrs/event.ts'
import { anEmail } from '../support/api.ts'
import { anEvent, appOver, aStore, everything, keep, Mishap, nowhere, recorded, spans, tracing } from './memory.ts'

describe('a request', () => {
  it('is a span with its route, and without its path and query', async () => {
    const { send } = appOver(nowhere)
    const email = anEmail()
    await send(`/users/${email}?email=${email}`)
    expect(spans()).toMatchObject([
      {
        name: 'GET /users/:id',
        kind: 'SERVER',
        parent: undefined,
        attributes: { 'http.route': '/users/:id', 'http.request.method': 'GET', 'http.response.status_code': 503 },
      },
    ])
    expect(everything()).not.toContain(email)
  })

  it('for nothing that there is has no route, and a method that HTTP does not know is no name', async () => {
    const { send } = appOver(nowhere)
    await send('/ada@example.com')
    await send('/users', { method: 'ADA' })
    expect(spans()).toMatchObject([
      { name: 'GET', status: 'UNSET', attributes: { 'http.response.status_code': 404 } },
      { name: 'HTTP', attributes: { 'http.request.method': '_OTHER', 'http.response.status_code': 405 } },
    ])
    expect(everything()).not.toMatch(/ada/i)
  })

  it('that refuses what a client sent is no error', async () => {
    const { post } = appOver(nowhere)
    expect((await post({ username: '', email: 'none' })).status).toBe(422)
    expect(spans()).toMatchObject([{ name: 'POST /user/registration', status: 'UNSET', events: [] }])
  })

  it('that fails tells the kind of the error and where it was, but nothing of its message', async () => {
    const { post, email } = appOver({ ...nowhere, append: (stream) => Promise.reject(new Mishap(`no\n at ${stream}`)) })
    expect((await post()).status).toBe(500)
    const request = spans().find(({ name }) => name === 'POST /user/registration')
    expect(request).toMatchObject({
      status: 'ERROR',
      attributes: { 'error.type': '500' },
      events: [{ name: 'exception', attributes: { 'exception.type': 'Mishap' } }],
    })
    expect(String(request?.events[0]?.attributes?.['exception.stacktrace'])).toMatch(/^at .*producers\.test\.ts/)
    expect(everything()).not.toContain(email)
  })

  it('belongs to the trace of its caller, and is left out where that one is', async () => {
    const { send } = appOver(nowhere)
    const [traceId, caller] = ['0af7651916cd43dd8448eb211c80319c', 'b7ad6b7169203331']
    await send('/users', { headers: { traceparent: `00-${traceId}-${caller}-00` } })
    expect(spans()).toEqual([])
    await send('/users', { headers: { traceparent: `00-${traceId}-${caller}-01` } })
    expect(spans()).toMatchObject([{ traceId, parent: caller }])
  })

  it('for the health of the service is not traced', async () => {
    const { send } = appOver(nowhere)
    await send('/health/live')
    await send('/health/ready')
    expect(spans()).toEqual([])
  })
})

describe('a command', () => {
  it('that is refused by the store is an error of the append and of the command, but not of the request', async () => {
    const { post, email } = appOver(await aStore())
    expect((await post()).status).toBe(201)
    expect((await post()).status).toBe(409)
    const [append, read, command, request, ...others] = spans().slice(3)
    expect(append).toMatchObject({
      name: 'append user',
      kind: 'CLIENT',
      parent: command?.id,
      status: 'ERROR',
      attributes: {
        'db.system.name': 'eventstoredb',
        'db.operation.name': 'append',
        'db.collection.name': 'user',
        'db.eventstoredb.event.type': 'UserRegistered',
        'error.type': 'PreconditionFailed',
      },
    })
    expect(read).toMatchObject({ name: 'read user', kind: 'CLIENT', parent: command?.id, status: 'UNSET' })
    expect(command).toMatchObject({ parent: request?.id, attributes: { 'error.type': 'EmailAlreadyRegistered' } })
    expect(request).toMatchObject({ status: 'UNSET', attributes: { 'http.response.status_code': 409 } })
    expect(others).toEqual([])
    expect(everything()).not.toContain(email)
  })
})

describe('an append', () => {
  it('leaves the metadata of its events as it is, and adds what names its span', async () => {
    const appended: RawEvent[] = []
    const { append } = tracing.events({ ...nowhere, append: async (_, events) => keep(appended, events) })
    const metadata = { correlationId: 'one', traceparent: 'of another' }
    await append('todo-1', [anEvent({ metadata }), anEvent()])
    const [span] = spans()
    const traceparent = `00-${span?.traceId}-${span?.id}-01`
    expect(appended.map((event) => event.metadata)).toEqual([{ correlationId: 'one', traceparent }, { traceparent }])
    expect(span).toMatchObject({ name: 'append todo', attributes: { 'db.operation.batch.size': 2 } })
  })

  it('to a stream of no category tells nothing of the stream', async () => {
    const { append } = tracing.events({ ...nowhere, append: async (_, events) => keep([], events) })
    await append('ada@example.com', [anEvent()])
    expect(spans()).toMatchObject([{ name: 'append' }])
    expect(everything()).not.toContain('ada')
  })
})

describe('a read', () => {
  it('that fails, or is left early, ends its span', async () => {
    const events = [recorded({}), recorded({})]
    const { read } = tracing.events({
      ...nowhere,
      async *read(stream) {
        yield* events
        throw new Mishap(stream)
      },
    })
    for await (const _ of read('todo-ada@example.com')) break
    const readAll = async () => {
      for await (const event of read('todo-ada@example.com')) expect(events).toContain(event)
    }
    await expect(readAll()).rejects.toThrow(Mishap)
    expect(spans()).toMatchObject([
      { name: 'read todo', kind: 'CLIENT', status: 'UNSET', attributes: { 'db.operation.name': 'read' } },
      { name: 'read todo', status: 'ERROR', attributes: { 'error.type': 'Mishap' } },
    ])
    expect(everything()).not.toContain('ada')
  })
})
