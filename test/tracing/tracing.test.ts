import { randomUUID } from 'node:crypto'
import { trace } from '@opentelemetry/api'
import { InMemorySpanExporter, type ReadableSpan, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node'
import { pino } from 'pino'
import { afterAll, afterEach, describe, expect, it, onTestFinished } from 'vitest'
import { usersProjection } from '../../projections/users/projection.ts'
import { prepareUserDirectory } from '../../projections/users/queries.ts'
import type { EventLog, EventSink, EventSource } from '../../src/cqrs/event-store.ts'
import type { RawEvent, RecordedEvent } from '../../src/cqrs/event.ts'
import { connectEventStore } from '../../src/eventstoredb/event-store.ts'
import { type AppOptions, createApp } from '../../src/http/app.ts'
import { ReadModel } from '../../src/read-model/read-model.ts'
import { rebuild } from '../../src/read-model/rebuild.ts'
import { webhooks } from '../../src/reactions/webhooks.ts'
import { tracingWith } from '../../src/tracing/sdk.ts'
import { registration } from '../../src/users/registration.ts'
import { user } from '../../src/users/user.ts'
import { usersModule } from '../../src/users/routes.ts'
import { admitAll, healthy, noMetrics } from '../http/service.ts'
import { SECRET, startReceiver, status } from '../reactions/receiver.ts'
import { anEmail } from '../support/api.ts'
import { startNode } from '../support/embedded-node.ts'
import { eventually } from '../support/eventually.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const exporter = new InMemorySpanExporter()
const tracing = tracingWith([new SimpleSpanProcessor(exporter)], () => undefined)
afterAll(() => tracing.stop())
afterEach(() => exporter.reset())

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
    expect(String(request?.events[0]?.attributes?.['exception.stacktrace'])).toMatch(/^at .*tracing\.test\.ts/)
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

describe('a projector', () => {
  it('is a span of the trace of each event that it applies as it happens, and of none that it replays', async () => {
    const store = await aStore()
    const first = appOver(store)
    await first.post()
    exporter.reset()

    const readModel = readModelOf(store)
    await eventually(() => readModel.status().state === 'live', 'the read model to be live')
    await rebuild({ log: store, dir: temporaryFolder(), projections: [usersProjection] })
    expect(spans()).toEqual([])

    await appOver(store).post()
    await eventually(() => spans().some(({ name }) => name === 'apply user'), 'the event to be applied')
    const append = spans().find(({ name }) => name === 'append user')
    expect(spans().filter(({ kind }) => kind === 'CONSUMER')).toMatchObject([
      {
        traceId: append?.traceId,
        parent: append?.id,
        status: 'UNSET',
        attributes: {
          'messaging.system': 'eventstoredb',
          'messaging.operation.name': 'apply',
          'messaging.operation.type': 'process',
          'messaging.destination.name': 'user',
          'messaging.message.id': expect.stringMatching(/^[\da-f-]{36}$/),
          'db.eventstoredb.event.type': 'UserRegistered',
        },
      },
    ])
  })

  it('shows an event that it parks as an error, and has no span for one without a traceparent', async () => {
    const store = await aStore()
    const readModel = readModelOf(store)
    await eventually(() => readModel.status().state === 'live', 'the read model to be live')
    const poison = anEvent({ type: 'UserRegistered', data: { id: 'no ulid', email: 'ada@example.com' } })
    await store.append('user-untraced', [{ ...poison, id: randomUUID() }])
    await tracing.events(store).append('user-traced', [poison])
    await eventually(() => readModel.status().parked === 2, 'the events to be parked')
    expect(spans().filter(({ name }) => name === 'apply user')).toMatchObject([
      { status: 'ERROR', attributes: { 'error.type': 'parked', 'messaging.message.id': poison.id } },
    ])
    expect(everything()).not.toContain('ada')
  })
})

describe('a reaction', () => {
  it('is a span for each attempt, and the request under it tells the receiver', async () => {
    const receiver = await startReceiver()
    const [traceId, append] = ['0af7651916cd43dd8448eb211c80319c', 'b7ad6b7169203331']
    const event = recorded({ traceparent: `00-${traceId}-${append}-01` })
    receiver.answer = status(500)
    await expect(reactionTo(receiver.url).react(event, never())).rejects.toThrow('500')
    receiver.answer = status(204)
    await reactionTo(receiver.url).react(event, never())
    const [request, attempt, nextRequest, nextAttempt, ...others] = spans()
    expect(attempt).toMatchObject({
      ...{ name: 'react user', kind: 'CONSUMER', traceId, parent: append, status: 'ERROR' },
      attributes: { 'rollbook.reaction': 'webhooks', 'messaging.message.id': event.id },
    })
    expect(request).toMatchObject({
      ...{ name: 'POST', kind: 'CLIENT', traceId, parent: attempt?.id, status: 'ERROR' },
      attributes: { 'error.type': '500', 'http.response.status_code': 500, 'server.address': '127.0.0.1' },
    })
    expect(nextAttempt).toMatchObject({ traceId, parent: append, status: 'UNSET' })
    expect(nextRequest).toMatchObject({ parent: nextAttempt?.id, attributes: { 'server.port': receiver.port } })
    expect(others).toEqual([])
    expect(receiver.deliveries.map(({ headers }) => headers['traceparent'])).toEqual([
      `00-${traceId}-${request?.id}-01`,
      `00-${traceId}-${nextRequest?.id}-01`,
    ])
    expect(everything()).not.toContain('/hooks')
  })

  it.each([undefined, {}, { traceparent: 'nonsense' }, { traceparent: 7 }, 'no JSON'])(
    'to an event with the metadata %j begins a trace, whatever is under way',
    async (metadata) => {
      const receiver = await startReceiver()
      const tracer = trace.getTracer('test')
      await tracer.startActiveSpan('something else', () => reactionTo(receiver.url).react(recorded(metadata), never()))
      expect(spans()).toMatchObject([{ name: 'POST' }, { name: 'react user', parent: undefined }])
    },
  )
})

/** Ended spans, in the order in which they ended. */
function spans() {
  return exporter.getFinishedSpans().map((span) => ({
    ...{ name: span.name, kind: kinds[span.kind], status: statuses[span.status.code] },
    ...{ traceId: span.spanContext().traceId, id: span.spanContext().spanId, parent: span.parentSpanContext?.spanId },
    ...{ attributes: span.attributes, events: span.events },
  }))
}

const kinds = ['INTERNAL', 'SERVER', 'CLIENT', 'PRODUCER', 'CONSUMER']
const statuses = ['UNSET', 'OK', 'ERROR']

/** All that the spans tell. */
const everything = () =>
  JSON.stringify(
    exporter
      .getFinishedSpans()
      .map(({ name, status, attributes, events, links }: ReadableSpan) => [name, status, attributes, events, links]),
  )

type Store = EventSink & EventSource & EventLog

async function aStore(): Promise<Store> {
  const node = await startNode({ dataDir: temporaryFolder(), port: 0 })
  const store = connectEventStore(`esdb://${node.address}?tls=false`)
  onTestFinished(async () => {
    await store.close()
    await node.close()
  })
  return store
}

/** The users' part of the API, traced, with a user to be registered. There is nothing to be queried. */
function appOver(store: EventSink & EventSource) {
  const events = tracing.events(store)
  const queries = {
    query: () => {
      throw new NotReady()
    },
  }
  const options: AppOptions = {
    modules: [
      usersModule({ register: registration(events), queries, admit: tracing.commands('register user', admitAll) }),
    ],
    readModel: { reached: async () => true },
    ...{ health: () => healthy, metrics: noMetrics },
    logger: pino({ level: 'silent' }),
    onFailure: tracing.requestFailed,
  }
  const app = tracing.requests(createApp(options))
  const send = async (path: string, init?: RequestInit) => app.fetch(new Request(`http://localhost${path}`, init))
  const email = anEmail()
  const post = (body: unknown = { username: 'Ada Lovelace', email }) =>
    send('/user/registration', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
    })
  return { send, post, email }
}

const nowhere: EventSink & EventSource = {
  append: () => Promise.reject(new Mishap('nowhere to append to')),
  async *readBackwards() {
    // Nothing is there.
  },
  async *read() {
    // Nothing is there.
  },
}

class Mishap extends Error {
  override readonly name = 'Mishap'
}

class NotReady extends Error {
  override readonly name = 'ReadModelNotReady'
}

function readModelOf(log: EventLog) {
  const readModel = new ReadModel({
    ...{ log, dir: temporaryFolder(), projections: [usersProjection], queries: prepareUserDirectory },
    logger: pino({ level: 'silent' }),
    ...(tracing.applied && { onApplied: tracing.applied }),
  })
  onTestFinished(() => readModel.close())
  return readModel
}

function reactionTo(url: string) {
  return tracing.reactions(
    webhooks({
      ...{ name: 'webhooks', url, secret: SECRET, fetch: tracing.fetch },
      predicate: { aggregates: [{ type: user.type, events: 'all' }] },
      message: () => ({ type: 'user.registered', data: {} }),
    }),
  )
}

const never = () => new AbortController().signal

function anEvent(changes: Partial<RawEvent> = {}): RawEvent {
  return { id: randomUUID(), type: 'Tested', data: {}, metadata: {}, ...changes }
}

function recorded(metadata: unknown): RecordedEvent {
  const place = { stream: `user-${anEmail()}`, number: 1, position: 1, created: new Date() }
  return { ...anEvent(), ...place, metadata }
}

async function keep(kept: RawEvent[], events: readonly RawEvent[]) {
  kept.push(...events)
  return { lastNumber: events.length, position: 1, recordedAt: async () => new Date() }
}
