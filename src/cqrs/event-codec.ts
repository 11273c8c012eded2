import type { StandardSchemaV1 } from '@standard-schema/spec'
import { z } from 'zod'
import type { Event, Metadata, RawEvent, RecordedEvent } from './event.ts'
import { fromJson, toJsonObject } from './json.ts'

/**
 * The shape of an event's data: zod or any other Standard Schema (https://standardschema.dev), synchronous. It must
 * accept what it gives, so that what was validated on the way in is valid on the way out: no transformation to another
 * type. bigint, Date and Uint8Array are stored as they are.
 */
export type DataSchema = StandardSchemaV1<unknown, object>

/** Turns the data of one version of an event type into that of the next version. */
export type Upcaster = (data: unknown) => unknown

/**
 * By event type: the schema of today's version, and the upcasters that lead from version 1 to it (their number + 1).
 * The version is kept in the event's metadata as `schemaVersion`; an event without one has version 1.
 */
export type EventSchemas = Readonly<
  Record<string, DataSchema | { readonly schema: DataSchema; readonly upcasters: readonly [Upcaster, ...Upcaster[]] }>
>

/** The union of the events that the schemas describe, discriminated by `type`. */
export type EventsIn<Schemas extends EventSchemas> = {
  [T in keyof Schemas & string]: {
    readonly type: T
    readonly data: Readonly<StandardSchemaV1.InferOutput<SchemaIn<Schemas[T]>>>
  }
}[keyof Schemas & string]

type SchemaIn<Definition> = Definition extends { readonly schema: infer S extends DataSchema }
  ? S
  : Definition extends DataSchema
    ? Definition
    : never

/** The events of one module in their stored form, validated on the way in and on the way out. */
export interface EventCodec<E extends Event> {
  readonly schemas: EventSchemas
  /**
   * @param id a UUID
   * @throws {InvalidEvent} the event does not fit its own schema: a bug of the caller.
   * @throws {NotStorable} the event holds what has no form in JSON: a bug of the caller.
   */
  encode(id: string, event: E, metadata: Metadata): RawEvent
  /** @throws {CorruptEvent} the type is not one of the module's, or the data fits no version of it. */
  decode(recorded: RecordedEvent): E
}

export function eventCodec<Schemas extends EventSchemas>(schemas: Schemas): EventCodec<EventsIn<Schemas>> {
  const versions = new Map(Object.entries(schemas).map(([type, definition]) => [type, versionsOf(definition)]))
  const isOurs = (event: Event): event is EventsIn<Schemas> => versions.has(event.type)
  return {
    schemas,
    encode(id, event, metadata) {
      const { schema, upcasters } = versions.get(event.type) ?? unknownType(event.type, versions.keys())
      const data = toJsonObject(valid(schema, event.type, event.data))
      return { id, type: event.type, data, metadata: { ...metadata, schemaVersion: upcasters.length + 1 } }
    },
    decode(recorded) {
      try {
        const { schema, upcasters } = versions.get(recorded.type) ?? unknownType(recorded.type, versions.keys())
        let data = fromJson(recorded.data)
        for (const upcast of upcasters.slice(schemaVersion(recorded, upcasters.length + 1) - 1)) data = upcast(data)
        const event = { type: recorded.type, data: valid(schema, recorded.type, data) }
        return isOurs(event) ? event : unknownType(recorded.type, versions.keys())
      } catch (error) {
        throw new CorruptEvent(recorded, error)
      }
    },
  }
}

/** Today's schema of an event type, and what leads to it. */
export function versionsOf(definition: EventSchemas[string]): { schema: DataSchema; upcasters: readonly Upcaster[] } {
  return 'schema' in definition ? definition : { schema: definition, upcasters: [] }
}

/** The data of an event does not fit the schema of its type. */
export class InvalidEvent extends Error {
  override readonly name = 'InvalidEvent'
  readonly type: string
  readonly issues: readonly StandardSchemaV1.Issue[]

  constructor(type: string, issues: readonly StandardSchemaV1.Issue[]) {
    super(`no valid data of ${type}: ${issues.map(describeIssue).join('; ')}`)
    this.type = type
    this.issues = issues
  }
}

/** An event in the log is not what its type says that it is. */
export class CorruptEvent extends Error {
  override readonly name = 'CorruptEvent'
  readonly stream: string
  readonly number: number
  readonly type: string

  constructor({ stream, number, type }: RecordedEvent, cause: unknown) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    super(`event ${number} of ${stream} is no valid ${type}: ${reason}`, { cause })
    this.stream = stream
    this.number = number
    this.type = type
  }
}

function valid(schema: DataSchema, type: string, data: unknown): object {
  const result = schema['~standard'].validate(data)
  if (result instanceof Promise) throw new TypeError(`the schema of ${type} validates asynchronously: not supported`)
  if (result.issues) throw new InvalidEvent(type, result.issues)
  return result.value
}

function describeIssue({ message, path = [] }: StandardSchemaV1.Issue): string {
  const names = path.map((segment) => String(typeof segment === 'object' ? segment.key : segment))
  return `/${names.join('/')}: ${message}`
}

const versionedMetadata = z.object({ schemaVersion: z.int().min(1).default(1) })

function schemaVersion({ metadata }: RecordedEvent, today: number): number {
  const parsed = versionedMetadata.safeParse(metadata ?? {})
  if (!parsed.success) throw new RangeError(z.prettifyError(parsed.error), { cause: parsed.error })
  const version = parsed.data.schemaVersion
  if (version > today) throw new RangeError(`its schema version is ${version}, known are 1 to ${today}`)
  return version
}

function unknownType(type: string, known: Iterable<string>): never {
  throw new RangeError(`unknown event type ${type}, known are ${[...known].join(', ')}`)
}
