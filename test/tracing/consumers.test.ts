import { randomUUID } from 'node:crypto'
import { trace } from '@opentelemetry/api'
import { describe, expect, it } from 'vitest'
import { usersProjection } from '../../projections/users/projection.ts'
import { rebuild } from '../../src/read-model/rebuild.ts'
import { startReceiver, status } from '../reactions/receiver.ts'
import { eventually } from '../support/eventually.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import {
  anEvent,
  appOver,
  aStore,
  everything,
  exporter,
  never,
  reactionTo,
  readModelOf,
  recorded,
  spans,
  tracing,
} from './memory.ts'

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
