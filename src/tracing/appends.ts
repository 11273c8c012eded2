import { context, SpanKind, trace, type Tracer } from '@opentelemetry/api'
import {
  ATTR_DB_COLLECTION_NAME,
  ATTR_DB_OPERATION_BATCH_SIZE,
  ATTR_DB_OPERATION_NAME,
  ATTR_DB_SYSTEM_NAME,
} from '@opentelemetry/semantic-conventions'
import type { RawEvent } from '../cqrs/event.ts'
import type { EventSink } from '../cqrs/event-store.ts'
import { categoryOf } from '../cqrs/reaction.ts'
import { EVENT_TYPE, nameOf, SYSTEM, traceparentOf, within } from './spans.ts'

/**
 * By the conventions for databases (https://opentelemetry.io/docs/specs/semconv/database/database-spans/). The
 * collection is the category of the stream, whose name may be personal. What follows from the events is part of the
 * same trace: their metadata names this span.
 */
export function tracedAppend(tracer: Tracer, sink: EventSink): EventSink['append'] {
  return (stream, events, precondition) => {
    const [first, ...rest] = events
    const category = categoryOf(stream)
    const attributes = {
      [ATTR_DB_SYSTEM_NAME]: SYSTEM,
      [ATTR_DB_OPERATION_NAME]: 'append',
      ...(category !== '' && { [ATTR_DB_COLLECTION_NAME]: category }),
      ...(events.length > 1 && { [ATTR_DB_OPERATION_BATCH_SIZE]: events.length }),
      [EVENT_TYPE]: [...new Set(events.map(({ type }) => type))].join(','),
    }
    const parent = context.active()
    const span = tracer.startSpan(nameOf('append', stream), { kind: SpanKind.CLIENT, attributes }, parent)
    const cause = traceparentOf(trace.setSpan(parent, span))
    const caused = (event: RawEvent): RawEvent => ({ ...event, metadata: { ...event.metadata, ...cause } })
    return within(span, parent, () => sink.append(stream, [caused(first), ...rest.map(caused)], precondition))
  }
}
