import { type Aggregate, type AggregateId, streamOf } from './aggregate.ts'
import type { Entity, EntitySource, VersionedAggregate } from './entity.ts'
import type { Event, RecordedEvent, VersionedEventWithMetadata } from './event.ts'
import type { EventSource } from './event-store.ts'
import { fromJson } from './json.ts'
import { nullSnapshotStore } from './null.ts'
import { initialVersion } from './precondition.ts'
import { fingerprintOf, type Snapshot, type SnapshotSource } from './snapshot.ts'

/**
 * Any source of events with any source of snapshots. A snapshot is used only where the aggregate's fingerprint is the
 * one that it was made with, and the stream has the event that it ends with: that one is read again with those behind
 * it, so that a snapshot of another history, or from ahead of its stream, gives it away.
 */
export function entitySource<Type extends string, State, E extends Event>(
  aggregate: Aggregate<Type, State, E>,
  { events, snapshots = nullSnapshotStore }: { readonly events: EventSource; readonly snapshots?: SnapshotSource },
): EntitySource<Type, State, E> {
  const { codec } = aggregate
  const fingerprint = fingerprintOf(aggregate)

  /** The fingerprint vouches for the type of the state. */
  const isOwn = (snapshot: Snapshot): snapshot is Snapshot & VersionedAggregate<State> =>
    snapshot.fingerprint === fingerprint

  const applied = (entity: Entity<Type, State>, recorded: RecordedEvent): Entity<Type, State> => ({
    ...entity,
    version: recorded.number,
    state: aggregate.apply(entity.state, codec.decode(recorded)),
    lastEventId: recorded.id,
  })

  async function refresh(entity: Entity<Type, State>): Promise<Entity<Type, State>> {
    let current = entity
    for await (const recorded of events.read(streamOf(aggregate, entity.id), entity.version)) {
      current = applied(current, recorded)
    }
    return current
  }

  /** Undefined where there is no snapshot that can be trusted. */
  async function loadFromSnapshot(id: AggregateId<Type>): Promise<Entity<Type, State> | undefined> {
    const stream = streamOf(aggregate, id)
    const stored = await snapshots.getSnapshot(stream)
    const snapshot = stored && { ...stored, state: fromJson(stored.state) }
    if (!snapshot || !isOwn(snapshot)) return undefined
    const { version, lastEventId, state } = snapshot
    let entity: Entity<Type, State> | undefined
    for await (const recorded of events.read(stream, version - 1)) {
      if (entity) entity = applied(entity, recorded)
      else {
        if (recorded.id !== lastEventId) return undefined
        entity = { id, version, state, snapshotVersion: version, lastEventId }
      }
    }
    return entity
  }

  function decoded(recorded: RecordedEvent): VersionedEventWithMetadata<E> {
    const { number, id, position, created, metadata } = recorded
    return { number, event: codec.decode(recorded), id, position, created, metadata }
  }

  return {
    refresh,
    async rehydrate(id) {
      const entity = (await loadFromSnapshot(id)) ?? (await refresh(initialEntity(aggregate, id)))
      return entity.version === initialVersion ? undefined : entity
    },
    async *readEvents(id, since, maxCount) {
      for await (const recorded of events.read(streamOf(aggregate, id), since, maxCount)) yield decoded(recorded)
    },
    async *readEventsBackwards(id, before, maxCount) {
      const backwards = events.readBackwards(streamOf(aggregate, id), before, maxCount)
      for await (const recorded of backwards) yield decoded(recorded)
    },
  }
}

/** An entity without events. */
export function initialEntity<Type extends string, State>(
  { initial }: { readonly type: Type; readonly initial: State },
  id: AggregateId<Type>,
): Entity<Type, State> {
  return { id, version: initialVersion, state: initial, snapshotVersion: initialVersion, lastEventId: undefined }
}
