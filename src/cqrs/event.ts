/** Something that happened, as the domain sees it. Modules get theirs as a union discriminated by `type`. */
export interface Event {
  readonly type: string
  readonly data: unknown
}

/**
 * Where an event stands in the store's log. Positions rise strictly in log order and are opaque otherwise: gaps are
 * normal. A safe integer: EventStoreDB's positions are byte offsets, so this holds for a log of 9 PB.
 */
export type Position = number

/** Sequence of an event in its stream: 1, 2, 3, … (EventStoreDB's revision + 1). */
export type EventNumber = number

export type JsonObject = Readonly<Record<string, unknown>>

/** What is known about an event beside its data: causation, correlation, schema version, … */
export type Metadata = JsonObject

/** An event in its stored form. */
export interface RawEvent {
  /** A UUID. The store recognises an append that is repeated with the same ids. */
  readonly id: string
  readonly type: string
  readonly data: JsonObject
  readonly metadata: Metadata
}

/** A raw event as the store gives it back. Neither `data` nor `metadata` has been validated yet. */
export interface RecordedEvent {
  readonly id: string
  readonly stream: string
  readonly number: EventNumber
  readonly position: Position
  readonly type: string
  /** The parsed JSON; a string where the stored JSON is malformed, bytes where the event is not JSON. */
  readonly data: unknown
  readonly metadata: unknown
  /** When the store recorded it. Not monotonic: order comes from positions only. */
  readonly created: Date
}

/** A decoded event and its place in its stream. */
export interface VersionedEvent<E extends Event> {
  readonly number: EventNumber
  readonly event: E
}

export interface VersionedEventWithMetadata<E extends Event> extends VersionedEvent<E> {
  readonly id: string
  readonly position: Position
  readonly created: Date
  /** As it is stored; not validated. */
  readonly metadata: unknown
}
