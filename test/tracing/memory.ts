import { randomUUID } from 'node:crypto'
import { InMemorySpanExporter, type ReadableSpan, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node'
import { pino } from 'pino'
import { afterAll, afterEach, onTestFinished } from 'vitest'
import { usersProjection } from '../../projections/users/projection.ts'
import { prepareUserDirectory } from '../../projections/users/queries.ts'
import type { RawEvent, RecordedEvent } from '../../src/cqrs/event.ts'
import type { EventLog, EventSink, EventSource } from '../../src/cqrs/event-store.ts'
import { connectEventStore } from '../../src/eventstoredb/event-store.ts'
import { type AppOptions, createApp } from '../../src/http/app.ts'
import { webhooks } from '../../src/reactions/webhooks.ts'
import { ReadModel } from '../../src/read-model/read-model.ts'
import { tracingWith } from '../../src/tracing/sdk.ts'
import { registration } from '../../src/users/registration.ts'
import { usersModule } from '../../src/users/routes.ts'
import { user } from '../../src/users/user.ts'
import { admitAll, healthy, noMetrics } from '../http/service.ts'
import { SECRET } from '../reactions/receiver.ts'
import { anEmail } from '../support/api.ts'
import { startNode } from '../support/embedded-node.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

/** Traces that are kept in memory. Whatever imports this has them to itself: see {@link spans}. */
export const exporter = new InMemorySpanExporter()
export const tracing = tracingWith([new SimpleSpanProcessor(exporter)], () => undefined)
afterAll(() => tracing.stop())
afterEach(() => exporter.reset())

/** Ended spans, in the order in which they ended. */
export function spans() {
  return exporter.getFinishedSpans().map((span) => ({
    ...{ name: span.name, kind: kinds[span.kind], status: statuses[span.status.code] },
    ...{ traceId: span.spanContext().traceId, id: span.spanContext().spanId, parent: span.parentSpanContext?.spanId },
    ...{ attributes: span.attributes, events: span.events },
  }))
}

const kinds = ['INTERNAL', 'SERVER', 'CLIENT', 'PRODUCER', 'CONSUMER']
const statuses = ['UNSET', 'OK', 'ERROR']

/** All that the spans tell. */
export const everything = () =>
  JSON.stringify(
    exporter
      .getFinishedSpans()
      .map(({ name, status, attributes, events, links }: ReadableSpan) => [name, status, attributes, events, links]),
  )

type Store = EventSink & EventSource & EventLog

export async function aStore(): Promise<Store> {
  const node = await startNode({ dataDir: temporaryFolder(), port: 0 })
  const store = connectEventStore(`esdb://${node.address}?tls=false`)
  onTestFinished(async () => {
    await store.close()
    await node.close()
  })
  return store
}

/** The users' part of the API, traced, with a user to be registered. There is nothing to be queried. */
export function appOver(store: EventSink & EventSource) {
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

export const nowhere: EventSink & EventSource = {
  append: () => Promise.reject(new Mishap('nowhere to append to')),
  async *readBackwards() {
    // Nothing is there.
  },
  async *read() {
    // Nothing is there.
  },
}

export class Mishap extends Error {
  override readonly name = 'Mishap'
}

class NotReady extends Error {
  override readonly name = 'ReadModelNotReady'
}

export function readModelOf(log: EventLog) {
  const readModel = new ReadModel({
    ...{ log, dir: temporaryFolder(), projections: [usersProjection], queries: prepareUserDirectory },
    logger: pino({ level: 'silent' }),
    ...(tracing.applied && { onApplied: tracing.applied }),
  })
  onTestFinished(() => readModel.close())
  return readModel
}

export function reactionTo(url: string) {
  return tracing.reactions(
    webhooks({
      ...{ name: 'webhooks', url, secret: SECRET, fetch: tracing.fetch },
      predicate: { aggregates: [{ type: user.type, events: 'all' }] },
      message: () => ({ type: 'user.registered', data: {} }),
    }),
  )
}

export const never = () => new AbortController().signal

export function anEvent(changes: Partial<RawEvent> = {}): RawEvent {
  return { id: randomUUID(), type: 'Tested', data: {}, metadata: {}, ...changes }
}

export function recorded(metadata: unknown): RecordedEvent {
  const place = { stream: `user-${anEmail()}`, number: 1, position: 1, created: new Date() }
  return { ...anEvent(), ...place, metadata }
}

export async function keep(kept: RawEvent[], events: readonly RawEvent[]) {
  kept.push(...events)
  return { lastNumber: events.length, position: 1, recordedAt: async () => new Date() }
}
