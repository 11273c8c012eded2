import type { Hono } from 'hono'
import type { Admission } from '../cqrs/command-limit.ts'
import type { RecordedEvent } from '../cqrs/event.ts'
import type { EventSink, EventSource } from '../cqrs/event-store.ts'
import type { Reaction } from '../cqrs/reaction.ts'

export type TraceExporter = 'otlp' | 'console'

/** What a process puts around its parts so that they show up in traces. Each gives a part that does the same. */
export interface Tracing {
  /** A server span for each request, part of the trace that its `traceparent` names. */
  requests<Variables extends object>(app: Hono<{ Variables: Variables }>): App
  /** Shows on the span of the current request which error it met. Nothing of its message. */
  requestFailed(error: Error): void
  /** A span for each command, with its wait for admission. */
  commands(name: string, admit: Admission): Admission
  /** A client span for each append and each read, and the append's `traceparent` in the metadata of its events. */
  events(store: EventSink & EventSource): EventSink & EventSource
  /** To be told what a projector applied: a consumer span for each event that carries a `traceparent`. */
  readonly applied: ((batch: AppliedBatch) => void) | undefined
  /** A consumer span for each attempt, part of the trace of its event. */
  reactions(reaction: Reaction): Reaction
  /** A client span for each request, and its `traceparent` in the header. */
  fetch(url: string, init: RequestInit): Promise<Response>
  /** Sends what is not sent yet; within a second, or it is lost. */
  stop(): Promise<void>
}

interface App {
  fetch(request: Request): Response | Promise<Response>
}

/** Events that were applied in one transaction, or were not because of `error`. */
export interface AppliedBatch {
  readonly events: readonly RecordedEvent[]
  /** Those of them that could not be applied and were put aside. */
  readonly parked: ReadonlySet<RecordedEvent>
  readonly error?: unknown
  /** When that began, by the monotonic clock. */
  readonly started: number
}
