import { Histogram, type Registry } from 'prom-client'
import { Hopeless, type Reaction, ReactionUnwanted, Throttled } from '../cqrs/reaction.ts'
import type { ReactorStatus } from '../cqrs/reactor.ts'
import { stateSamples, watchGauges } from './watched.ts'

const STATES = [
  'stopped',
  'starting',
  'catching up',
  'live',
  'reconnecting',
  'failed',
] as const satisfies ReactorStatus['state'][]

export interface ReactionMetrics {
  /** The reaction with its attempts timed; not those that are stopped. */
  timed(reaction: Reaction): Reaction
  watch(statuses: () => readonly ReactorStatus[]): void
}

export function reactionMetrics(registry: Registry): ReactionMetrics {
  const durations = new Histogram({
    name: 'rollbook_reaction_attempt_duration_seconds',
    help: 'Time that an attempt of a reaction took, such as the delivery of a webhook.',
    labelNames: ['reaction', 'outcome'],
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15],
    registers: [registry],
  })
  return {
    timed: (reaction) => ({
      ...reaction,
      async react(event, signal) {
        const begun = performance.now()
        let outcome: string = 'done'
        try {
          await reaction.react(event, signal)
        } catch (error) {
          outcome = outcomeOf(error)
          throw error
        } finally {
          const seconds = (performance.now() - begun) / 1_000
          if (outcome === 'done' || !signal.aborted) durations.observe({ reaction: reaction.name, outcome }, seconds)
        }
      },
    }),
    watch(statuses) {
      const gauge = (name: string, help: string, read: (status: ReactorStatus) => number | undefined) =>
        watchGauges(registry, `rollbook_reaction_${name}`, help, ['reaction'], () =>
          statuses().map((status) => [{ reaction: status.name }, read(status)]),
        )
      watchGauges(
        registry,
        'rollbook_reaction_state',
        'The state of a reaction: 1 for it, 0 for others.',
        ['reaction', 'state'],
        () =>
          statuses().flatMap(({ name: reaction, state: current }) =>
            stateSamples(STATES, current).map(({ state, value }) => [{ reaction, state }, value] as const),
          ),
      )
      gauge('position', 'Position of the log up to which every event is done or parked.', ({ position }) => position)
      gauge(
        'lag_events',
        'Events received that are neither done nor parked. None while it is not live.',
        ({ lag }) => lag,
      )
      gauge(
        'retrying_events',
        'Events of which an attempt has failed and that are tried again.',
        (status) => status.retrying,
      )
      gauge('parked_events', 'Events that were given up, and those set aside behind them.', ({ parked }) => parked)
    },
  }
}

function outcomeOf(error: unknown): string {
  if (error instanceof Throttled) return 'throttled'
  if (error instanceof Hopeless) return 'hopeless'
  return error instanceof ReactionUnwanted ? 'unwanted' : 'failed'
}
