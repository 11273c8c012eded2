import { SpanKind, type Tracer, trace } from '@opentelemetry/api'
import { attributesOf, contextOf, errorTypeOf, failed, nameOf } from './spans.ts'
import type { AppliedBatch } from './tracing.ts'

/**
 * A span for each event that carries a `traceparent`, child of the append that wrote it. All of a batch have the same
 * times, because they are applied in one transaction.
 */
export function appliedSpans(tracer: Tracer): (batch: AppliedBatch) => void {
  return ({ events, parked, error, started }) => {
    const ended = performance.now()
    for (const event of events) {
      const parent = contextOf(event)
      if (!trace.getSpanContext(parent)) continue
      const attributes = attributesOf(event, 'apply')
      const name = nameOf('apply', event.stream)
      const span = tracer.startSpan(name, { kind: SpanKind.CONSUMER, attributes, startTime: started }, parent)
      if (error !== undefined) failed(span, errorTypeOf(error))
      else if (parked.has(event)) failed(span, 'parked')
      span.end(ended)
    }
  }
}
