import { TOMBSTONE } from './decide.ts'
import type { LogEvent } from './log-event.ts'
import { uuidToHalves } from './uuid.ts'
import { fieldSize, uint64Size, Writer } from './wire.ts'

// The event of a ReadResp by hand: it is sent for every event of every read, and the generated classes take longer for
// one than SQLite does. Field numbers are those of streams.proto, persistent.proto and shared.proto of EventStoreDB.

/** How a reader wants event ids. */
export type UuidForm = 'string' | 'structured'

/** An event of a read. Of a link whose target cannot be read, `event` is undefined. */
export function writeReadEvent(event: LogEvent | undefined, link: LogEvent | undefined, form: UuidForm): Buffer {
  const position = (link ?? event)?.position
  const eventPart = event === undefined ? undefined : measure(event, form)
  return writeEvent(eventPart, link === undefined ? undefined : measure(link, form), position)
}

/** An event of a persistent subscription. As EventStoreDB has it, a resolved event stands at the position of its link. */
export function writeDelivery(
  event: LogEvent | undefined,
  link: LogEvent | undefined,
  form: UuidForm,
  retryCount: number,
): Buffer {
  const position = (link ?? event)?.position
  const eventPart = event === undefined ? undefined : measure(event, form, position)
  return writeEvent(eventPart, link === undefined ? undefined : measure(link, form), position, retryCount)
}

function writeEvent(
  event: Measured | undefined,
  link: Measured | undefined,
  position: number | undefined,
  retryCount?: number,
): Buffer {
  const length =
    (event === undefined ? 0 : fieldSize(event.length)) +
    (link === undefined ? 0 : fieldSize(link.length)) +
    (position === undefined ? 2 : uint64Size(position)) +
    (retryCount === undefined ? 0 : uint64Size(retryCount))
  const writer = new Writer(fieldSize(length))
  writer.open(1, length)
  if (event !== undefined) writeRecordedEvent(writer, 1, event)
  if (link !== undefined) writeRecordedEvent(writer, 2, link)
  if (position === undefined) writer.open(4, 0)
  else writer.uint64(3, position)
  if (retryCount !== undefined) writer.uint64(5, retryCount)
  return writer.buffer
}

interface Measured {
  readonly event: LogEvent
  readonly position: number
  readonly halves: { most: bigint; least: bigint } | undefined
  readonly uuidLength: number
  readonly streamLength: number
  readonly typeLength: number
  readonly revision: number | bigint
  readonly created: string
  readonly length: number
}

const UUID_LENGTH = 36
const JSON_TYPE = 'application/json'
const BINARY_TYPE = 'application/octet-stream'
/** An entry of the metadata map: a key and a value, both strings. */
const entryLength = (key: string, valueLength: number): number => fieldSize(key.length) + fieldSize(valueLength)

function measure(event: LogEvent, form: UuidForm, position = event.position): Measured {
  const { stream, type, json, metadata, data } = event
  const halves = form === 'string' ? undefined : unsigned(uuidToHalves(event.id))
  const uuidLength =
    halves === undefined ? fieldSize(UUID_LENGTH) : fieldSize(uint64Size(halves.most) + uint64Size(halves.least))
  const streamLength = Buffer.byteLength(stream)
  const typeLength = Buffer.byteLength(type)
  const revision = event.revision >= TOMBSTONE ? 2n ** 63n - 1n : event.revision
  const created = `${event.created}0`
  const length =
    fieldSize(uuidLength) +
    fieldSize(fieldSize(streamLength)) +
    uint64Size(revision) +
    2 * uint64Size(position) +
    fieldSize(entryLength('type', typeLength)) +
    fieldSize(entryLength('content-type', json ? JSON_TYPE.length : BINARY_TYPE.length)) +
    fieldSize(entryLength('created', created.length)) +
    fieldSize(metadata.length) +
    fieldSize(data.length)
  return { event, position, halves, uuidLength, streamLength, typeLength, revision, created, length }
}

function writeRecordedEvent(writer: Writer, field: number, measured: Measured): void {
  const { event, position, halves, uuidLength, streamLength, typeLength, revision, created, length } = measured
  writer.open(field, length)
  writer.open(1, uuidLength)
  if (halves === undefined) writer.string(2, event.id, UUID_LENGTH)
  else {
    writer.open(1, uint64Size(halves.most) + uint64Size(halves.least))
    writer.uint64(1, halves.most)
    writer.uint64(2, halves.least)
  }
  writer.open(2, fieldSize(streamLength))
  writer.string(3, event.stream, streamLength)
  writer.uint64(3, revision)
  writer.uint64(4, position)
  writer.uint64(5, position)
  writeMapEntry(writer, 'type', event.type, typeLength)
  const contentType = event.json ? JSON_TYPE : BINARY_TYPE
  writeMapEntry(writer, 'content-type', contentType, contentType.length)
  writeMapEntry(writer, 'created', created, created.length)
  writer.bytes(7, event.metadata)
  writer.bytes(8, event.data)
}

function writeMapEntry(writer: Writer, key: string, value: string, valueLength: number): void {
  writer.open(6, entryLength(key, valueLength))
  writer.string(1, key, key.length)
  writer.string(2, value, valueLength)
}

/** Negative int64 values are varints of their two's complement. */
const unsigned = ({ most, least }: { most: bigint; least: bigint }): { most: bigint; least: bigint } => ({
  most: BigInt.asUintN(64, most),
  least: BigInt.asUintN(64, least),
})
