import { randomUUID } from 'node:crypto'
import pRetry from 'p-retry'
import { type Aggregate, type AggregateId, applyAll, streamOf } from './aggregate.ts'
import { type CommandError, isProduced, type ProducedEvents, refusalOf } from './command.ts'
import type { Entity, EntityStore, ExecOptions, Persisted } from './entity.ts'
import { entitySource, initialEntity } from './entity-source.ts'
import type { Event, Metadata } from './event.ts'
import type { EventSink, EventSource } from './event-store.ts'
import { toJson } from './json.ts'
import { nullSnapshotStore } from './null.ts'
import { initialVersion, type Precondition, PreconditionFailed, verify } from './precondition.ts'
import {
  fingerprintOf,
  neverSnapshot,
  type SnapshotSink,
  type SnapshotSource,
  type SnapshotStrategy,
} from './snapshot.ts'

export interface EntityStoreOptions {
  readonly events: EventSink & EventSource
  /** None by default. */
  readonly snapshots?: SnapshotSource & SnapshotSink
  /** When to make a snapshot; never by default. It is written before the command's result is given. */
  readonly strategy?: SnapshotStrategy
  /**
   * Told of each snapshot that could not be written, with the metadata of the command. That does not fail the command;
   * the next one tries again.
   */
  readonly onSnapshotFailed?: (error: unknown, stream: string, metadata: Metadata) => void
  /** How often a command that lost a race decides again, at most; 3 by default. At once, then after 5 ms and more. */
  readonly retries?: number
}

/** Any event store with any snapshot store. */
export function entityStore<Type extends string, State, E extends Event>(
  aggregate: Aggregate<Type, State, E>,
  options: EntityStoreOptions,
): EntityStore<Type, State, E> {
  const { events, snapshots = nullSnapshotStore, strategy = neverSnapshot, onSnapshotFailed, retries = 3 } = options
  const source = entitySource(aggregate, { events, snapshots })
  const fingerprint = fingerprintOf(aggregate)

  async function execAndPersist<Decision extends ProducedEvents<E> | CommandError>(
    entity: Entity<Type, State>,
    command: (this: void, state: State) => Decision,
    { precondition, metadata = {} }: ExecOptions = {},
  ): Promise<Persisted<Type, State, E> | Extract<Decision, CommandError>> {
    verify(precondition, streamOf(aggregate, entity.id), entity.version)
    let current = entity
    const attempt = async () => {
      const decision = command(current.state)
      return isProduced(decision) ? persist(current, decision, metadata) : refusalOf(decision)
    }
    try {
      return await attempt()
    } catch (error) {
      if (!isLostRace(error) || isFixed(precondition) || retries === 0) throw error
    }
    const attemptAgain = async () => {
      current = await source.refresh(current)
      return attempt()
    }
    return pRetry(attemptAgain, {
      ...{ retries: retries - 1, minTimeout: 5, randomize: true },
      shouldRetry: ({ error }) => isLostRace(error),
    })
  }

  async function persist(
    entity: Entity<Type, State>,
    produced: ProducedEvents<E>,
    metadata: Metadata,
  ): Promise<Persisted<Type, State, E>> {
    const [first, ...rest] = produced.map((event) => aggregate.codec.encode(randomUUID(), event, metadata))
    if (!first) return { entity, events: [], position: undefined }
    // Before the append: what cannot be folded must not be stored.
    const state = applyAll(aggregate, entity.state, produced)
    const expected = entity.version === initialVersion ? 'new' : { version: entity.version }
    const { lastNumber, position } = await events.append(streamOf(aggregate, entity.id), [first, ...rest], expected)
    const lastEventId = rest.at(-1)?.id ?? first.id
    const changed = { ...entity, version: lastNumber, state, lastEventId }
    return {
      entity: { ...changed, snapshotVersion: await snapshotOf(changed, lastEventId, metadata) },
      events: produced.map((event, index) => ({ number: lastNumber - produced.length + 1 + index, event })),
      position,
    }
  }

  /** The version of the last snapshot, after making one where the strategy wants it. */
  async function snapshotOf(entity: Entity<Type, State>, lastEventId: string, metadata: Metadata): Promise<number> {
    const { version, snapshotVersion } = entity
    const stream = streamOf(aggregate, entity.id)
    try {
      if (strategy(version, snapshotVersion) === 'do not snapshot') return snapshotVersion
      const snapshot = { version, lastEventId, fingerprint, state: toJson(entity.state) }
      await snapshots.persistSnapshot(stream, snapshot, snapshotVersion)
      return version
    } catch (error) {
      onSnapshotFailed?.(error, stream, metadata)
      return snapshotVersion
    }
  }

  return {
    ...source,
    execAndPersist,
    async loadExecAndPersist(id, command, options) {
      const entity = await source.rehydrate(id)
      return entity && execAndPersist(entity, command, options)
    },
    async loadOrDefaultExecAndPersist(id, command, options) {
      return execAndPersist(await loadOrDefault(id, options?.precondition), command, options)
    },
  }

  async function loadOrDefault(id: AggregateId<Type>, precondition?: Precondition): Promise<Entity<Type, State>> {
    const entity = precondition === 'new' ? undefined : await source.rehydrate(id)
    return entity ?? initialEntity(aggregate, id)
  }
}

const isLostRace = (error: unknown) => error instanceof PreconditionFailed

/** The caller wants the command to run on this version only. */
function isFixed(precondition: Precondition | undefined): boolean {
  return precondition === 'new' || typeof precondition === 'object'
}
