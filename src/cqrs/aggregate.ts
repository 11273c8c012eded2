import type { Event } from './event.ts'
import { type EventCodec, type EventSchemas, type EventsIn, eventCodec } from './event-codec.ts'

/** Consistency boundary: its events live in one stream, and folding them gives the state that commands decide on. */
export interface Aggregate<Type extends string, State, E extends Event> {
  /** Also the category of its streams: the stream of the aggregate `id` is `<type>-<id>`. */
  readonly type: Type
  readonly initial: State
  readonly codec: EventCodec<E>
  /** See {@link Definition}. */
  readonly snapshotVersion: number
  /** Pure. Must accept every event that a command of the aggregate has ever produced. */
  apply(this: void, state: State, event: E): State
  /** @throws {InvalidAggregateId} */
  id(this: void, value: string): AggregateId<Type>
}

export interface Definition<Type extends string, State, Schemas extends EventSchemas> {
  /** Letters, digits and underscores. */
  readonly type: Type
  /** Its type is checked against that of the state in `apply`; where `apply` does not declare one, it is inferred. */
  readonly initial: LowPriority<State>
  /** By event type: a schema of the data, with upcasters where there were others before. */
  readonly events: Schemas
  /** To be raised when `apply` makes something else of the same events: snapshots made before are not used any more. */
  readonly snapshotVersion?: number
  readonly apply: (this: void, state: State, event: EventsIn<Schemas>) => NoInfer<State>
}

/** Infers `State` from here only where no other place names it. */
type LowPriority<State> = { [K in keyof State]: State[K] }

/**
 * ```ts
 * const counter = aggregate({
 *   type: 'counter',
 *   initial: { total: 0 },
 *   events: { counted: z.object({ by: z.int() }) },
 *   apply: (state: Counter, { data }) => ({ total: state.total + data.by }),
 * })
 * ```
 *
 * @throws {RangeError} the type cannot be the category of a stream.
 */
export function aggregate<const Type extends string, State, Schemas extends EventSchemas>(
  definition: Definition<Type, State, Schemas>,
): Aggregate<Type, State, EventsIn<Schemas>> {
  const { type, initial, events, apply, snapshotVersion = 1 } = definition
  if (!/^[A-Za-z0-9_]+$/.test(type) || type === 'snapshot') {
    throw new RangeError(`"${type}" is no aggregate type: letters, digits and underscores, but not "snapshot"`)
  }
  return { type, initial, codec: eventCodec(events), snapshotVersion, apply, id: (value) => aggregateId(type, value) }
}

/** Folds events onto a state, the oldest first. */
export function applyAll<State, E extends Event>(
  { apply }: { apply(this: void, state: State, event: E): State },
  state: State,
  events: readonly E[],
): State {
  return events.reduce((state, event) => apply(state, event), state)
}

export type StateOf<A extends { readonly initial: unknown }> = A['initial']
export type EventOf<A extends { apply(this: void, state: never, event: never): unknown }> = Parameters<A['apply']>[1]
export type IdOf<A extends { id(this: void, value: string): unknown }> = ReturnType<A['id']>

declare const brand: unique symbol

/** An id that was checked, and is of an aggregate of this type. */
export type AggregateId<Type extends string> = string & { readonly [brand]: Type }

export class InvalidAggregateId extends Error {
  override readonly name = 'InvalidAggregateId'
  readonly type: string
  readonly value: string

  constructor(type: string, value: string) {
    super(
      `${JSON.stringify(value.slice(0, 50))} is no id of a ${type}: 1 to ${MAX_ID} characters, no control characters`,
    )
    this.type = type
    this.value = value
  }
}

export function streamOf<Type extends string>(
  aggregate: { readonly type: Type },
  id: AggregateId<NoInfer<Type>>,
): string {
  return streamPrefix(aggregate) + id
}

/** What the names of all streams of the aggregate start with. */
export function streamPrefix({ type }: { readonly type: string }): string {
  return `${type}-`
}

/** @throws {InvalidAggregateId} it is no stream of the aggregate. */
export function idOf<Type extends string>(aggregate: { readonly type: Type }, stream: string): AggregateId<Type> {
  const prefix = streamPrefix(aggregate)
  if (!stream.startsWith(prefix)) throw new InvalidAggregateId(aggregate.type, stream)
  return aggregateId(aggregate.type, stream.slice(prefix.length))
}

const MAX_ID = 1_000

function aggregateId<Type extends string>(type: Type, value: string): AggregateId<Type> {
  if (!isId<Type>(value)) throw new InvalidAggregateId(type, value)
  return value
}

function isId<Type extends string>(value: string): value is AggregateId<Type> {
  return value.length > 0 && value.length <= MAX_ID && !/\p{Cc}/u.test(value)
}
