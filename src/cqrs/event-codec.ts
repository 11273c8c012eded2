import { z } from 'zod'
import type { Event, Metadata, NewEvent, RecordedEvent } from './event.ts'

/** The events of one module in their stored form, validated on the way in and on the way out. */
export interface EventCodec<E extends Event> {
  /** @throws {z.ZodError} the event does not fit its own schema, or is not JSON: a bug of the caller. */
  encode(id: string, event: E, metadata: Metadata): NewEvent
  /** @throws {CorruptEvent} the type is not one of the module's, or the data fits no version of it. */
  decode(recorded: RecordedEvent): E
}

/** Turns the data of one version of an event type into that of the next version. */
export type Upcaster = (data: unknown) => unknown

/**
 * A codec from a schema of today's events and, per event type, the upcasters that lead from version 1 to today's
 * version (their number + 1). The version is kept in the event's metadata as `schemaVersion`; an event without one
 * has version 1.
 */
export function eventCodec<E extends Event>(
  schema: z.ZodType<E>,
  upcasters: { readonly [T in E['type']]?: readonly Upcaster[] },
): EventCodec<E> {
  const chains = new Map(Object.entries<readonly Upcaster[] | undefined>(upcasters))
  const chainOf = (type: string) => chains.get(type) ?? []
  return {
    encode(id, event, metadata) {
      const { type, data } = schema.parse(event)
      const schemaVersion = chainOf(type).length + 1
      return { id, type, data: jsonObject.parse(data), metadata: { ...metadata, schemaVersion } }
    },
    decode(recorded) {
      const chain = chainOf(recorded.type)
      try {
        const older = chain.slice(schemaVersion(recorded, chain.length + 1) - 1)
        const data = older.reduce((data, upcast) => upcast(data), recorded.data)
        return schema.parse({ type: recorded.type, data })
      } catch (error) {
        throw new CorruptEvent(recorded, error)
      }
    },
  }
}

/** An event in the log is not what its type says that it is. */
export class CorruptEvent extends Error {
  override readonly name = 'CorruptEvent'
  readonly stream: string
  readonly number: number
  readonly type: string

  constructor({ stream, number, type }: RecordedEvent, cause: unknown) {
    const reason = cause instanceof z.ZodError ? z.prettifyError(cause) : String(cause)
    super(`event ${number} of ${stream} is no valid ${type}: ${reason}`, { cause })
    this.stream = stream
    this.number = number
    this.type = type
  }
}

const jsonObject = z.record(z.string(), z.json())
const versionedMetadata = z.object({ schemaVersion: z.int().min(1).default(1) })

function schemaVersion({ metadata }: RecordedEvent, today: number): number {
  const version = versionedMetadata.parse(metadata ?? {}).schemaVersion
  if (version > today) throw new RangeError(`its schema version is ${version}, known are 1 to ${today}`)
  return version
}
