import type { Position, RecordedEvent } from './event.ts'

/**
 * Consumers that share the events of the log among them, in one process or in several. The store keeps how far the
 * group has come and who has which event: EventStoreDB's persistent subscriptions
 * (https://docs.kurrent.io/server/v23.10/persistent-subscriptions.html).
 */
export interface ConsumerGroups {
  /**
   * Makes the group where it is missing; one that is there stays as it is. A new group begins at the end of the log:
   * it gets every event that is appended after this has resolved.
   *
   * @throws {StoreUnavailable}
   */
  ensureGroup(options: ConsumerGroupOptions): Promise<void>

  /**
   * Joins a group as one more consumer. What it was delivered and has not settled goes to others when it leaves,
   * however it leaves.
   *
   * @param buffer most events that are delivered and not settled.
   * @throws {StoreUnavailable}
   */
  join(group: string, buffer: number): Promise<Consumer>

  /**
   * Undefined where there is no such group.
   *
   * @throws {StoreUnavailable}
   */
  groupStatus(group: string): Promise<ConsumerGroupStatus | undefined>

  /**
   * Delivers the parked events of the group once more.
   *
   * @throws {StoreUnavailable}
   */
  replayParked(group: string): Promise<void>
}

export interface ConsumerGroupOptions {
  readonly group: string
  /** Deliver only events of streams whose name starts with one of these. */
  readonly streamPrefixes: readonly string[]
  /** Milliseconds after which an event that was not settled is delivered again, to whichever consumer. */
  readonly messageTimeout: number
  /** An event that was delivered again so many times is parked. */
  readonly maxRetries: number
}

export interface ConsumerGroupStatus {
  /** Every event of the group at or before it is settled; 0 where nothing is known yet. */
  readonly position: Position
  readonly parked: number
}

export interface Consumer {
  /**
   * Events at least once, those of a stream to the same consumer as long as it is there. Ends when the consumer leaves.
   *
   * @throws {StoreUnavailable} the consumer is out of the group; join again.
   */
  readonly deliveries: AsyncIterable<Delivery>
  /**
   * Resolves when what was settled has reached the store, as far as it can be reached, and the rest goes to others.
   */
  leave(): Promise<void>
}

/**
 * An event on trial. To be settled once, by one of its methods; where that does not reach the store, the event is
 * delivered again.
 */
export interface Delivery {
  readonly event: RecordedEvent
  /** How often it was delivered before without success. */
  readonly retries: number
  done(): void
  /** Delivers it again at once, to whichever consumer. */
  retry(reason: string): void
  park(reason: string): void
}
