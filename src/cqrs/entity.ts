import type { AggregateId } from './aggregate.ts'
import type { CommandError, ProducedEvents } from './command.ts'
import type { Event, Metadata, Position, VersionedEvent, VersionedEventWithMetadata } from './event.ts'
import type { Before, Since } from './event-store.ts'
import type { Precondition, Version } from './precondition.ts'

/** A state, and the number of the last event in it. */
export interface VersionedAggregate<State> {
  readonly version: Version
  readonly state: State
}

/** An aggregate that was loaded. */
export interface HydratedAggregate<State> extends VersionedAggregate<State> {
  /** Version of the last snapshot; 0 where there is none that can be used. */
  readonly snapshotVersion: Version
  /** Id of the last event applied. */
  readonly lastEventId: string | undefined
}

/** A hydrated aggregate with its id. Immutable: what changes it gives a new one. */
export interface Entity<Type extends string, State> extends HydratedAggregate<State> {
  readonly id: AggregateId<Type>
}

export interface EntitySource<Type extends string, State, E extends Event> {
  /**
   * The entity as it is now: its snapshot, and the events behind that. Undefined where it has no events.
   *
   * @throws {StoreUnavailable}
   * @throws {CorruptEvent}
   */
  rehydrate(id: AggregateId<Type>): Promise<Entity<Type, State> | undefined>

  /**
   * The entity as it is now. Reads only the events that it has missed.
   *
   * @throws {StoreUnavailable}
   * @throws {CorruptEvent}
   */
  refresh(entity: Entity<Type, State>): Promise<Entity<Type, State>>

  /**
   * Its events as {@link EventSource.read} gives them, decoded.
   *
   * @throws {StoreUnavailable}
   * @throws {CorruptEvent}
   */
  readEvents(id: AggregateId<Type>, since?: Since, maxCount?: number): AsyncIterable<VersionedEventWithMetadata<E>>

  /**
   * Its events as {@link EventSource.readBackwards} gives them, decoded.
   *
   * @throws {StoreUnavailable}
   * @throws {CorruptEvent}
   */
  readEventsBackwards(
    id: AggregateId<Type>,
    before?: Before,
    maxCount?: number,
  ): AsyncIterable<VersionedEventWithMetadata<E>>
}

/** A command that was not refused, and what became of it. */
export interface Persisted<Type extends string, State, E extends Event> {
  /** With the events applied. */
  readonly entity: Entity<Type, State>
  /** Those that the command produced; may be none. */
  readonly events: readonly VersionedEvent<E>[]
  /** Where the last of them stands in the log; undefined where there are none. */
  readonly position: Position | undefined
}

export interface ExecOptions {
  /** Verified on the entity, and again by the store with the append. */
  readonly precondition?: Precondition
  /** Stored with each event. */
  readonly metadata?: Metadata
}

export interface EntitySink<Type extends string, State, E extends Event> {
  /**
   * Runs the command on the entity and appends its events, all or none. Gives what the command decided where it was a
   * refusal. Where others appended first, the entity is refreshed and the command decides again, a limited number of
   * times; not at all where the precondition is `new` or a version.
   *
   * @throws {PreconditionFailed} the precondition does not hold, or the race was lost to the end: nothing was appended.
   * @throws {StoreUnavailable} `outcome` tells whether the events may have been appended.
   * @throws {StreamDeleted} the stream is tombstoned; nothing was appended.
   * @throws {CorruptEvent}
   * @throws {InvalidEvent | NotStorable} the command produced an event that is none; nothing was appended.
   */
  execAndPersist<Decision extends ProducedEvents<E> | CommandError>(
    entity: Entity<Type, State>,
    command: (this: void, state: State) => Decision,
    options?: ExecOptions,
  ): Promise<Persisted<Type, State, E> | Extract<Decision, CommandError>>
}

export interface EntityStore<Type extends string, State, E extends Event>
  extends EntitySource<Type, State, E>,
    EntitySink<Type, State, E> {
  /**
   * {@link EntitySource.rehydrate}, then {@link EntitySink.execAndPersist}. Undefined where the entity has no events,
   * whatever the precondition.
   */
  loadExecAndPersist<Decision extends ProducedEvents<E> | CommandError>(
    id: AggregateId<Type>,
    command: (this: void, state: State) => Decision,
    options?: ExecOptions,
  ): Promise<Persisted<Type, State, E> | Extract<Decision, CommandError> | undefined>

  /**
   * The same with the initial state where the entity has no events. With the precondition `new`, nothing is read: the
   * command decides on the initial state, and the store on the precondition.
   */
  loadOrDefaultExecAndPersist<Decision extends ProducedEvents<E> | CommandError>(
    id: AggregateId<Type>,
    command: (this: void, state: State) => Decision,
    options?: ExecOptions,
  ): Promise<Persisted<Type, State, E> | Extract<Decision, CommandError>>
}
