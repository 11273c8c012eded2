import type { EventNumber, Position, RawEvent, RecordedEvent } from './event.ts'
import type { Precondition, Version } from './precondition.ts'

/** A forward read starts behind this number: {@link initialVersion} is the beginning of the stream. */
export type Since = Version

/** A backward read starts ahead of this number. */
export type Before = EventNumber | 'end'

export interface Appended {
  /** Number of the last event appended; those before it have the numbers before it. */
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
   * Appends all events or none, in order; without a precondition, whatever the stream has. Repeating a call with the
   * same event ids and precondition is safe: the store recognises it and answers as it did the first time. It need not
   * where the precondition is `exists` or none, because that does not tell where in the stream to look.
   *
   * @throws {PreconditionFailed} nothing was appended.
   * @throws {StreamDeleted} the stream is tombstoned; nothing was appended.
   * @throws {AppendRefused} nothing was appended, and nothing would be if it was repeated.
   * @throws {StoreUnavailable} `outcome` tells whether the events may have been appended.
   */
  append(stream: string, events: readonly [RawEvent, ...RawEvent[]], precondition?: Precondition): Promise<Appended>
}

export interface EventSource {
  /**
   * The events of a stream in order, after the number `since`, at most `maxCount` of them, as they are iterated.
   * A stream that does not exist, or was deleted, has none. To be read to its end where that is near: a store may
   * take many reads that are broken off for an attack.
   *
   * @throws {StoreUnavailable}
   */
  read(stream: string, since?: Since, maxCount?: number): AsyncIterable<RecordedEvent>

  /**
   * The same backwards: the newest first, from the one before the number `before` or from the end of the stream.
   *
   * @throws {StoreUnavailable}
   */
  readBackwards(stream: string, before?: Before, maxCount?: number): AsyncIterable<RecordedEvent>
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

  /**
   * The event at exactly this position, whatever its stream; undefined where there is none, be it that there never was
   * one or that the store has removed it.
   *
   * @throws {StoreUnavailable}
   */
  eventAt(position: Position): Promise<RecordedEvent | undefined>
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

/** The store will not take these events, however often they are sent: they are too large, or the user may not. */
export class AppendRefused extends Error {
  override readonly name = 'AppendRefused'
  readonly stream: string
  readonly reason: string

  constructor(stream: string, reason: string, options?: ErrorOptions) {
    super(`append to ${stream} was refused: ${reason}`, options)
    this.stream = stream
    this.reason = reason
  }
}

/** The event store could not be reached, or did not answer within the deadline. */
export class StoreUnavailable extends Error {
  override readonly name = 'StoreUnavailable'
  readonly reason: string
  /** `unknown`: the append may or may not have happened. Repeating it with the same event ids is safe. */
  readonly outcome: 'unknown' | 'not-appended'

  constructor(reason: string, outcome: 'unknown' | 'not-appended', options?: ErrorOptions) {
    super(`event store unavailable: ${reason}`, options)
    this.reason = reason
    this.outcome = outcome
  }
}
