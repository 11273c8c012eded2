import type { RecordedEvent } from './event.ts'

/**
 * A side effect of events: a message sent, another service called. It knows nothing of how it is run, so that a
 * {@link Reactor} can run it on a catch-up subscription and something else on a persistent subscription.
 */
export interface Reaction {
  /** Its stored position goes by this name: unique among the reactions of a store, and never to be changed. */
  readonly name: string
  readonly predicate: ReactionPredicate
  /**
   * Called at least once for each event that the predicate lets through; more often where an attempt fails, or where
   * the process ends before it was recorded that one succeeded. The event's id is the same each time: what must
   * happen once is to be keyed by it. An error means that the attempt failed, and another one follows.
   *
   * @param signal is aborted when the reaction is stopped; an attempt that fails then is not counted.
   * @throws {Throttled} no event is to be tried for a while.
   * @throws {Hopeless} no later attempt can succeed: the event is parked at once.
   * @throws {ReactionUnwanted} the reaction stops, and the event stays to be done.
   */
  react(event: RecordedEvent, signal: AbortSignal): Promise<void>
}

/** The events of all aggregates, or of aggregates of some types; of each all events, or those of some types. */
export type ReactionPredicate =
  | { readonly aggregates: 'all'; readonly events: EventTypes }
  | { readonly aggregates: readonly { readonly type: string; readonly events: EventTypes }[] }

export type EventTypes = 'all' | readonly string[]

/** A predicate, made into what the store filters by and what is left to check. */
export interface ReactionFilter {
  readonly streamPrefixes: readonly string[]
  matches(event: RecordedEvent): boolean
}

/**
 * The stream of an aggregate is `<type>-<id>`, and its type, EventStoreDB's category, ends at the first hyphen
 * (https://docs.kurrent.io/server/v23.10/projections.html#by-category). Streams that have no hyphen, system streams
 * (`$…`) and snapshots (`snapshot-…`) belong to no aggregate.
 */
export function filterOf(predicate: ReactionPredicate): ReactionFilter {
  if (predicate.aggregates === 'all') {
    const { events } = predicate
    return {
      streamPrefixes: [''],
      matches: ({ stream, type }) => isOfAggregate(stream) && includes(events, type),
    }
  }
  const wanted = new Map<string, EventTypes[]>()
  for (const { type, events } of predicate.aggregates) wanted.set(type, [...(wanted.get(type) ?? []), events])
  return {
    streamPrefixes: [...wanted.keys()].map((type) => `${type}-`),
    matches: ({ stream, type }) => wanted.get(categoryOf(stream))?.some((events) => includes(events, type)) ?? false,
  }
}

/** The other side asks for fewer requests: no event of the reaction is tried for a while. */
export class Throttled extends Error {
  override readonly name = 'Throttled'
  /** How long it asked to be left alone, in milliseconds; undefined where it did not say. */
  readonly wait: number | undefined

  constructor(reason: string, wait: number | undefined) {
    super(reason)
    this.wait = wait
  }
}

/** No attempt can succeed, because of the event itself. */
export class Hopeless extends Error {
  override readonly name = 'Hopeless'
}

/** The other side wants no more of this: the reaction stops until it is started again. */
export class ReactionUnwanted extends Error {
  override readonly name = 'ReactionUnwanted'
}

const includes = (events: EventTypes, type: string) => events === 'all' || events.includes(type)

/** What the name of a stream begins with, up to its first hyphen; empty where it has none. */
export const categoryOf = (stream: string): string => stream.slice(0, Math.max(0, stream.indexOf('-')))

function isOfAggregate(stream: string): boolean {
  const category = categoryOf(stream)
  return category !== '' && category !== 'snapshot' && !category.startsWith('$')
}
