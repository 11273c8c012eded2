import { Histogram, type Registry } from 'prom-client'
import type { EventSink } from '../cqrs/event-store.ts'
import { type Refusal, refusalOf } from './outcomes.ts'

const BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

/** An append that is timed. */
export function appendMetrics(registry: Registry): (sink: EventSink) => EventSink['append'] {
  const durations = new Histogram({
    name: 'rollbook_append_duration_seconds',
    help: 'Time that the event store took for an append, snapshots among them, until its outcome was there.',
    labelNames: ['outcome'],
    buckets: BUCKETS,
    registers: [registry],
  })
  return (sink) => async (stream, events, precondition) => {
    const begun = performance.now()
    let outcome: Refusal | 'appended' = 'appended'
    try {
      return await sink.append(stream, events, precondition)
    } catch (error) {
      outcome = refusalOf(error)
      throw error
    } finally {
      durations.observe({ outcome }, (performance.now() - begun) / 1_000)
    }
  }
}
