import { type Attributes, context, SpanKind, type Tracer, trace } from '@opentelemetry/api'
import {
  ATTR_DB_COLLECTION_NAME,
  ATTR_DB_OPERATION_BATCH_SIZE,
  ATTR_DB_OPERATION_NAME,
  ATTR_DB_SYSTEM_NAME,
} from '@opentelemetry/semantic-conventions'
import type { RawEvent, RecordedEvent } from '../cqrs/event.ts'
import type { EventSink, EventSource } from '../cqrs/event-store.ts'
import { categoryOf } from '../cqrs/reaction.ts'
import { EVENT_TYPE, errorTypeOf, failed, inSpan, nameOf, SYSTEM, traceparentOf } from './spans.ts'

/**
 * By the conventions for databases (https://opentelemetry.io/docs/specs/semconv/database/database-spans/). The
 * collection is the category of the stream, whose name may be personal. What follows from appended events is part of
 * the same trace: their metadata names the span of the append.
 */
export function tracedEvents(tracer: Tracer, store: EventSink & EventSource): EventSink & EventSource {
  const start = (operation: string, stream: string, more: Attributes = {}) => {
    const category = categoryOf(stream)
    const attributes = {
      [ATTR_DB_SYSTEM_NAME]: SYSTEM,
      [ATTR_DB_OPERATION_NAME]: operation,
      ...(category !== '' && { [ATTR_DB_COLLECTION_NAME]: category }),
      ...more,
    }
    return tracer.startSpan(nameOf(operation, stream), { kind: SpanKind.CLIENT, attributes })
  }

  /** From the first event that is asked for to the last, with what the reader does between them. */
  async function* reading(operation: string, stream: string, read: () => AsyncIterable<RecordedEvent>) {
    const span = start(operation, stream)
    try {
      yield* read()
    } catch (error) {
      failed(span, errorTypeOf(error))
      throw error
    } finally {
      span.end()
    }
  }

  return {
    append(stream, events, precondition) {
      const [first, ...rest] = events
      const types = [...new Set(events.map(({ type }) => type))].join(',')
      const size = events.length > 1 ? { [ATTR_DB_OPERATION_BATCH_SIZE]: events.length } : {}
      const span = start('append', stream, { [EVENT_TYPE]: types, ...size })
      const parent = context.active()
      const cause = traceparentOf(trace.setSpan(parent, span))
      const caused = (event: RawEvent): RawEvent => ({ ...event, metadata: { ...event.metadata, ...cause } })
      return inSpan(span, parent, () => store.append(stream, [caused(first), ...rest.map(caused)], precondition))
    },
    read: (stream, ...range) => reading('read', stream, () => store.read(stream, ...range)),
    readBackwards: (stream, ...range) => reading('read backwards', stream, () => store.readBackwards(stream, ...range)),
  }
}
