import {
  type Attributes,
  type Context,
  context,
  propagation,
  ROOT_CONTEXT,
  type Span,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api'
import { ATTR_ERROR_TYPE } from '@opentelemetry/semantic-conventions'
import { z } from 'zod'
import type { RecordedEvent } from '../cqrs/event.ts'
import { categoryOf } from '../cqrs/reaction.ts'

/** Not stable yet, and so not among the constants: https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/ */
const MESSAGING = {
  system: 'messaging.system',
  operation: 'messaging.operation.name',
  operationType: 'messaging.operation.type',
  destination: 'messaging.destination.name',
  messageId: 'messaging.message.id',
} as const

/** As the instrumentation of EventStoreDB's own clients has it. */
export const EVENT_TYPE = 'db.eventstoredb.event.type'

export const SYSTEM = 'eventstoredb'

/** Does the work within the span, and ends it. */
export async function inSpan<T>(span: Span, parent: Context, work: () => Promise<T>): Promise<T> {
  try {
    return await context.with(trace.setSpan(parent, span), work)
  } catch (error) {
    failed(span, errorTypeOf(error))
    throw error
  } finally {
    span.end()
  }
}

/** Without the error's message, which may hold a name, an email, or the name of a stream, which holds an email. */
export function failed(span: Span, errorType: string): void {
  span.setAttribute(ATTR_ERROR_TYPE, errorType)
  span.setStatus({ code: SpanStatusCode.ERROR })
}

export const errorTypeOf = (error: unknown): string => (error instanceof Error ? error.name : typeof error)

/** For the span of what consumes an event. Streams are told by their category: their names may be personal. */
export function attributesOf(event: RecordedEvent, operation: string): Attributes {
  return {
    [MESSAGING.system]: SYSTEM,
    [MESSAGING.operation]: operation,
    [MESSAGING.operationType]: 'process',
    ...destination(event.stream),
    [MESSAGING.messageId]: event.id,
    [EVENT_TYPE]: event.type,
  }
}

function destination(stream: string): Attributes {
  const category = categoryOf(stream)
  return category === '' ? {} : { [MESSAGING.destination]: category }
}

/** The operation and what it is done to, of which there are few. */
export function nameOf(operation: string, stream: string): string {
  return `${operation} ${categoryOf(stream)}`.trimEnd()
}

const traced = z.object({ traceparent: z.string() })

/** Of the append that wrote the event; that of no trace where its metadata names none. */
export function contextOf({ metadata }: RecordedEvent): Context {
  const parsed = traced.safeParse(metadata)
  return parsed.success ? propagation.extract(ROOT_CONTEXT, parsed.data) : ROOT_CONTEXT
}

/** What names a span to others (https://www.w3.org/TR/trace-context/#traceparent-header). */
export function traceparentOf(current: Context): { readonly traceparent: string } | undefined {
  const carrier = {}
  propagation.inject(current, carrier)
  return traced.safeParse(carrier).data
}
