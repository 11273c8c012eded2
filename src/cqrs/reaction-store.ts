import type { Position, RecordedEvent } from './event.ts'

/** Keeps durably how far reactions have come. */
export interface ReactionStore {
  /**
   * Takes a reaction over. Whoever had claimed it is fenced off: each call on the older claim throws from now on.
   */
  claim(reaction: string): Promise<ReactionClaim>
  /** The first parked events of a reaction in log order, at most `limit`. */
  parked(reaction: string, limit: number): Promise<readonly ParkedEvent[]>
}

/**
 * What the owner of a reaction knows and records. A call is durable when it resolves, and does all or nothing. A
 * `checkpoint` says that every event at or before it is done or parked; 0 is the start of the log.
 *
 * Every method throws {@link ReactionFenced} once another owner has claimed the reaction.
 */
export interface ReactionClaim {
  /** The checkpoint at the time of the claim; undefined where the reaction never ran. */
  readonly checkpoint: Position | undefined
  /** Number of parked events at the time of the claim. */
  readonly parked: number
  standing(event: RecordedEvent): Promise<Standing>
  /** Counts a failed attempt. */
  failed(event: RecordedEvent): Promise<void>
  /** Also of an event that was parked. */
  done(event: RecordedEvent, checkpoint: Position): Promise<void>
  park(event: RecordedEvent, reason: string, checkpoint: Position): Promise<void>
  moveTo(checkpoint: Position): Promise<void>
  /** Each stream that has parked events, once. */
  parkedStreams(): Promise<readonly string[]>
  /** The parked event of the stream that comes first. */
  firstParked(stream: string): Promise<RecordedEvent | undefined>
}

export interface Standing {
  /** Whether the event is done or parked. Forgotten of events that are done and not after the checkpoint. */
  readonly isSettled: boolean
  /** Number of failed attempts. */
  readonly failures: number
  /** Whether an earlier event of its stream is parked. */
  readonly isBehindParked: boolean
}

export interface ParkedEvent {
  readonly event: RecordedEvent
  /** Number of failed attempts that were counted; 0 for an event that is parked behind another of its stream. */
  readonly failures: number
  readonly reason: string
  readonly parkedAt: Date
}

/** Another owner has claimed the reaction, so this one must stop. */
export class ReactionFenced extends Error {
  override readonly name = 'ReactionFenced'
  readonly reaction: string

  constructor(reaction: string) {
    super(`the reaction ${reaction} was taken over; is a second service running on this data directory?`)
    this.reaction = reaction
  }
}
