import { Counter, Histogram, type Registry } from 'prom-client'
import type { Position } from '../cqrs/event.ts'
import type { EventLog, LogBatch } from '../cqrs/event-store.ts'
import { stateSamples, watchGauge, watchGauges } from './watched.ts'

const STATES = ['replaying', 'live', 'reconnecting', 'failed']

export interface ReadModelFigures {
  readonly isServing: boolean
  readonly state: string
  readonly position: Position
  readonly lag: number | undefined
  readonly parked: number
}

export interface ProjectorMetrics {
  /** The log for the read model: what is taken from it is counted as applied when the next batch is asked for. */
  followed(log: EventLog): EventLog
  watch(status: () => ReadModelFigures): void
}

export function projectorMetrics(registry: Registry): ProjectorMetrics {
  const registers = [registry]
  const applied = new Counter({
    name: 'rollbook_projector_applied_events_total',
    help: 'Events that were applied to the read model or parked.',
    registers,
  })
  const sizes = new Histogram({
    name: 'rollbook_projector_batch_events',
    help: 'Events in a batch, which is one transaction of the read model.',
    buckets: [1, 2, 5, 10, 20, 50, 100, 200, 500],
    registers,
  })
  const durations = new Histogram({
    name: 'rollbook_projector_batch_duration_seconds',
    help: 'Time to apply a batch, in which nothing else is done.',
    buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1],
    registers,
  })
  const freshness = new Freshness()

  async function* follow(batches: AsyncIterable<LogBatch>): AsyncIterable<LogBatch> {
    const subscription = Symbol('subscription')
    try {
      for await (const batch of batches) {
        const begun = performance.now()
        yield batch
        if (batch.events.length > 0) {
          applied.inc(batch.events.length)
          sizes.observe(batch.events.length)
          durations.observe((performance.now() - begun) / 1_000)
        }
        freshness.applied(subscription, batch.caughtUp)
      }
    } finally {
      freshness.applied(subscription, false)
    }
  }

  return {
    followed: (log) => ({
      subscribe: (options) => follow(log.subscribe(options)),
      lastPosition: () => log.lastPosition(),
      eventAt: (position) => log.eventAt(position),
    }),
    watch(status) {
      const gauge = (name: string, help: string, read: (figures: ReadModelFigures) => number | undefined) =>
        watchGauge(registry, `rollbook_${name}`, help, () => read(status()))
      gauge('read_model_serving', 'Whether queries are answered from the read model: 1 or 0.', ({ isServing }) =>
        Number(isServing),
      )
      watchGauges(
        registry,
        'rollbook_projector_state',
        'The state of the projector: 1 for it, 0 for others.',
        ['state'],
        () => stateSamples(STATES, status().state).map(({ state, value }) => [{ state }, value]),
      )
      gauge('projector_position', 'Position of the log that the read model reflects.', ({ position }) => position)
      gauge(
        'projector_lag_events',
        'Events received and not applied. None while the projector is not live.',
        (figures) => figures.lag,
      )
      gauge(
        'projector_lag_seconds',
        'Time since the read model was last known to have every event: 0 while the projector is live.',
        () => freshness.secondsBehind(),
      )
      gauge('projector_parked_events', 'Events that could not be applied and were set aside.', ({ parked }) => parked)
    },
  }
}

/** Whether any of the subscriptions that feed read models has applied all there is, and if none, since when. */
class Freshness {
  readonly #current = new Set<symbol>()
  #since = performance.now()

  applied(subscription: symbol, isCaughtUp: boolean): void {
    if (isCaughtUp) this.#current.add(subscription)
    else if (this.#current.delete(subscription) && this.#current.size === 0) this.#since = performance.now()
  }

  secondsBehind(): number {
    return this.#current.size > 0 ? 0 : (performance.now() - this.#since) / 1_000
  }
}
