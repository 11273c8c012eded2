import type { EventNumber, Position, RecordedEvent } from './event.ts'

/**
 * What a store has, for people who look into it: as it is stored, newest first, a page at a time. Reads go past the
 * figures by which the service judges whether it has contact with the store.
 */
export interface StoreExplorer {
  /**
   * Events of a stream, newest first, at most `maxCount`. Links are followed. A stream that never was, that was
   * deleted, or whose events were all truncated has none.
   *
   * @throws {StoreUnavailable}
   * @throws {NotReadable} the stream is tombstoned, or the user may not read it.
   */
  streamPage(stream: string, from: StreamPlace, maxCount: number): Promise<readonly ExploredEvent[]>

  /**
   * The newest events of a stream as they are stored, newest first: a link stays a link.
   *
   * @throws {StoreUnavailable}
   * @throws {NotReadable}
   */
  unfollowed(stream: string, maxCount: number): AsyncIterable<RecordedEvent>

  /**
   * Events of the log before a position, or from its end where that is undefined; newest first, at most `maxCount`.
   * Links are not followed.
   *
   * @throws {StoreUnavailable}
   * @throws {NotReadable}
   */
  logBackwards(before: Position | undefined, maxCount: number): AsyncIterable<RecordedEvent>

  /**
   * Events of all streams, in log order, that are appended after `onLive` was called. Ends with the signal, without
   * an error.
   *
   * @throws {StoreUnavailable} the subscription was lost.
   */
  followLog(signal: AbortSignal, onLive: () => void): AsyncIterable<RecordedEvent>

  /**
   * All consumer groups there are, of any consumers, by source and name.
   *
   * @throws {StoreUnavailable}
   * @throws {NotReadable}
   */
  groups(): Promise<readonly ExploredGroup[]>
}

/** Where a page of a stream lies: its newest events, those before a number, or those after one and nearest to it. */
export type StreamPlace = 'newest' | { readonly before: EventNumber } | { readonly after: EventNumber }

/** At least one of the two is there. */
export interface ExploredEvent {
  /** Undefined where it is the target of a link and cannot be read: it was deleted, or its stream was truncated. */
  readonly event: RecordedEvent | undefined
  /** The link that led to the event, where the stream has a link. */
  readonly link: RecordedEvent | undefined
}

export interface ExploredGroup {
  readonly name: string
  /** A stream, or `$all`. */
  readonly source: string
  /** As the store says it, such as `Live`. */
  readonly status: string
  readonly consumers: number
  /** Delivered and neither settled nor parked. */
  readonly inFlight: number
  readonly parked: number
  /** Stream that has the links to the parked events. */
  readonly parkedStream: string
  /** Up to here all is settled: a number of an event of the source, or a position. Undefined: not known. */
  readonly checkpoint: EventNumber | Position | undefined
  /** The last event that the group knows of. */
  readonly lastKnown: EventNumber | Position | undefined
}

/** The store has it, or had it, and does not show it. */
export class NotReadable extends Error {
  override readonly name = 'NotReadable'
  readonly what: string
  readonly reason: 'deleted' | 'access-denied'

  constructor(what: string, reason: 'deleted' | 'access-denied', options?: ErrorOptions) {
    super(`${what} cannot be read: ${reason === 'deleted' ? 'it was deleted for good' : 'access is denied'}`, options)
    this.what = what
    this.reason = reason
  }
}
