import type { EventNumber, NewEvent, Position, RecordedEvent } from './event.ts'

/**
 * What must be true of a stream for an append to be accepted: it has no events, it has some, or its last event has
 * exactly this number. Checked by the store, atomically with the append.
 */
export type Precondition = 'new' | 'exists' | { readonly lastNumber: EventNumber }

export interface Appended {
  /** Number of the last event appended. */
  readonly lastNumber: EventNumber
  /** Position of the last event appended. */
  readonly position: Position
  /**
   * When the store recorded the last event appended. Costs a read where no subscription of this process delivers it.
   *
   * @throws {StoreUnavailable}
   */
  recordedAt(): Promise<Date>
}

export interface EventSink {
  /**
   * Appends all events or none, in order. Repeating a call with the same event ids and precondition is safe: the store
   * recognises it and answers as it did the first time.
   *
   * @throws {PreconditionFailed} nothing was appended.
   * @throws {StreamDeleted} the stream is tombstoned; nothing was appended.
   * @throws {StoreUnavailable} `outcome` tells whether the events may have been appended.
   */
  append(stream: string, events: readonly [NewEvent, ...NewEvent[]], precondition: Precondition): Promise<Appended>
}

export interface EventSource {
  /**
   * The events of a stream in order, after the number `since` (0: from the first), at most `maxCount` of them.
   * A stream that does not exist, or was deleted, has none. To be read to its end where that is near: a store may
   * take many reads that are broken off for an attack.
   *
   * @throws {StoreUnavailable}
   */
  read(stream: string, since?: EventNumber, maxCount?: number): AsyncIterable<RecordedEvent>
}

/** A stretch of the log, as a catch-up subscription delivers it. */
export interface LogBatch {
  /** In log order; may be empty where only the position moved on. */
  readonly events: readonly RecordedEvent[]
  /**
   * Every subscribed event at or before this position is in this batch or in an earlier one of the same
   * subscription, so it may be stored as the checkpoint once `events` are applied. Never decreases.
   */
  readonly position: Position
  /** Whether the subscription had reached the end of the log when it delivered this. */
  readonly caughtUp: boolean
}

export interface SubscribeOptions {
  /** Deliver only what comes after this position; from the start of the log where undefined. */
  readonly after: Position | undefined
  /** Deliver only events of streams whose name starts with one of these. Filtered by the store. */
  readonly streamPrefixes: readonly string[]
  /** Ends the subscription: the iteration returns without an error. */
  readonly signal: AbortSignal
  /** Most events in one batch. */
  readonly maxBatch: number
}

export interface EventLog {
  /**
   * Catch-up subscription to the whole log: what is there, then what comes, in log order, each event once. Memory
   * stays bounded however slow the consumer is. A batch is delivered when it is full or has waited a few
   * milliseconds; once the subscription has caught up, as soon as an event arrives. Ends only with `signal`.
   *
   * @throws {StoreUnavailable} the subscription was lost; subscribe again after the last position applied.
   */
  subscribe(options: SubscribeOptions): AsyncIterable<LogBatch>

  /**
   * Position of the last event in the log; undefined where it is empty.
   *
   * @throws {StoreUnavailable}
   */
  lastPosition(): Promise<Position | undefined>
}

/** The append was refused because the stream was not as expected. */
export class PreconditionFailed extends Error {
  override readonly name = 'PreconditionFailed'
  readonly stream: string
  readonly expected: Precondition
  /** Number of the last event in the stream; 0 where it has none. */
  readonly actual: EventNumber

  constructor(stream: string, expected: Precondition, actual: EventNumber) {
    const wanted = typeof expected === 'string' ? expected : `at number ${expected.lastNumber}`
    super(`stream ${stream} was expected to be ${wanted}, but its last event has number ${actual}`)
    this.stream = stream
    this.expected = expected
    this.actual = actual
  }
}

/** The stream is tombstoned: it can never be appended to or read again. */
export class StreamDeleted extends Error {
  override readonly name = 'StreamDeleted'
  readonly stream: string

  constructor(stream: string) {
    super(`stream ${stream} was deleted for good`)
    this.stream = stream
  }
}

/** The event store could not be reached, or did not answer within the deadline. */
export class StoreUnavailable extends Error {
  override readonly name = 'StoreUnavailable'
  /** `unknown`: the append may or may not have happened. Repeating it with the same event ids is safe. */
  readonly outcome: 'unknown' | 'not-appended'

  constructor(reason: string, outcome: 'unknown' | 'not-appended', options?: ErrorOptions) {
    super(`event store unavailable: ${reason}`, options)
    this.outcome = outcome
  }
}
