import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { Aggregate } from './aggregate.ts'
import type { VersionedAggregate } from './entity.ts'
import type { Event } from './event.ts'
import { type DataSchema, versionsOf } from './event-codec.ts'
import { toJson } from './json.ts'
import type { Version } from './precondition.ts'

/** An aggregate in its stored form: `state` is JSON, as `toJson` makes it. */
export interface Snapshot extends VersionedAggregate<unknown> {
  /** Id of the event with the number `version`: tells whether the snapshot is of the same history as the stream. */
  readonly lastEventId: string
  /** Of the aggregate that made it: see {@link fingerprintOf}. */
  readonly fingerprint: string
}

export interface SnapshotSource {
  /**
   * The last snapshot of a stream. Undefined where there is none, or what is there is no snapshot. It is the reader's
   * part to check that it fits the aggregate and the stream.
   *
   * @throws {StoreUnavailable}
   */
  getSnapshot(stream: string): Promise<Snapshot | undefined>
}

export interface SnapshotSink {
  /**
   * Keeps a snapshot in place of any other of the stream. Of several at once, any may be the one that stays.
   *
   * @param replaces version of the snapshot that the writer knows of; 0 where it knows of none
   * @throws {StoreUnavailable}
   */
  persistSnapshot(stream: string, snapshot: Snapshot, replaces: Version): Promise<void>
}

/** When to make a snapshot. Asked after each command that appended events. */
export type SnapshotStrategy = (version: Version, lastSnapshotVersion: Version) => SnapshotRecommendation

export type SnapshotRecommendation = 'should snapshot' | 'do not snapshot'

export const alwaysSnapshot: SnapshotStrategy = () => 'should snapshot'

export const neverSnapshot: SnapshotStrategy = () => 'do not snapshot'

/** @throws {RangeError} `count` is no positive integer. */
export function everyEvents(count: number): SnapshotStrategy {
  if (!Number.isInteger(count) || count < 1) throw new RangeError(`a snapshot every ${count} events: must be 1 or more`)
  return (version, last) => (version - last >= count ? 'should snapshot' : 'do not snapshot')
}

/** For backends: what they read may be anything. */
export const snapshotSchema: z.ZodType<Snapshot> = z.object({
  version: z.int().min(1),
  lastEventId: z.string(),
  fingerprint: z.string(),
  state: z.unknown(),
})

/**
 * Snapshots are used only by an aggregate with the same fingerprint. It changes with the type, the initial state, the
 * `snapshotVersion`, the names and versions of the events, and their schemas where the schema library can give them as
 * JSON Schema (https://standardschema.dev/json-schema). It does not change with the code of `apply`: raise
 * `snapshotVersion` for that.
 */
export function fingerprintOf<State, E extends Event>(aggregate: Aggregate<string, State, E>): string {
  const { type, initial, snapshotVersion, codec } = aggregate
  const events = Object.entries(codec.schemas)
    .map(([name, definition]) => ({ name, ...versionsOf(definition) }))
    .sort((one, other) => (one.name < other.name ? -1 : 1))
    .map(({ name, schema, upcasters }) => [name, upcasters.length + 1, jsonSchemaOf(schema)])
  const shape = JSON.stringify([type, snapshotVersion, toJson(initial), events])
  return createHash('sha256').update(shape).digest('base64url')
}

/** The part of Standard JSON Schema that is used here. */
const jsonSchemaSource = z.object({
  '~standard': z.object({
    jsonSchema: z.object({ output: z.custom<JsonSchemaOutput>((it) => typeof it === 'function') }),
  }),
})

type JsonSchemaOutput = (options: { target: string; libraryOptions?: Record<string, unknown> }) => unknown

/** Undefined where the library of the schema cannot tell. */
export function jsonSchemaOf(schema: DataSchema): unknown {
  const source = jsonSchemaSource.safeParse(schema)
  if (!source.success) return undefined
  try {
    // zod's option: bigint and Date have no JSON Schema, and are shown as a schema that allows anything.
    const libraryOptions = { unrepresentable: 'any' }
    return source.data['~standard'].jsonSchema.output({ target: 'draft-2020-12', libraryOptions })
  } catch {
    return undefined
  }
}
