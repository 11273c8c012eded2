import { Any, type Expected, NoStream, StreamExists, toExpected } from './decide.ts'
import { normalizeUuid, uuidFromHalves } from './uuid.ts'
import { fieldSize, MalformedMessage, Reader, uint64Size, Writer } from './wire.ts'

// BatchAppendReq and BatchAppendResp by hand: for one event they cost more than its way to the disk if the generated
// classes read and write them. Field numbers are those of streams.proto, shared.proto and status.proto of EventStoreDB.

export interface BatchChunk {
  /** The UUID message as it came, to be sent back as it came. */
  readonly correlation: Buffer
  /** The UUID that it says, in whichever form; undefined when it is none. */
  readonly correlationId: string | undefined
  readonly options: BatchOptions | undefined
  readonly messages: readonly BatchMessage[]
  readonly isFinal: boolean
  /** Bytes of the message: what is kept of it are views of it. */
  readonly size: number
}

export interface BatchOptions {
  readonly stream: Buffer | undefined
  /** Undefined when it is missing or no revision. */
  readonly expected: Expected | undefined
  /** Milliseconds since the Unix epoch. */
  readonly deadline: number | undefined
  /** Milliseconds from the arrival of the message. */
  readonly timeout: number | undefined
}

/** A proposed event as it came; nothing is checked yet. */
export interface BatchMessage {
  readonly id: string | undefined
  readonly type: string | undefined
  readonly contentType: string | undefined
  readonly metadata: Buffer
  readonly data: Buffer
}

/** Of an event whose type is one letter MAX_APPEND_BYTES would allow half a million: seconds for all others to wait. */
export const MAX_APPEND_EVENTS = 50_000

const MAX_CORRELATION_BYTES = 128

const EMPTY: Buffer = Buffer.alloc(0)

export function readBatchAppendReq(buffer: Buffer): BatchChunk {
  const reader = new Reader(buffer)
  let correlation = EMPTY
  let correlationId: string | undefined
  let options: BatchOptions | undefined
  let isFinal = false
  const messages: BatchMessage[] = []
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) {
      correlation = reader.bytes()
      correlationId = readUuid(new Reader(correlation))
    } else if (field === 2) options = readBatchOptions(reader.message())
    else if (field === 3 && messages.length <= MAX_APPEND_EVENTS) messages.push(readBatchMessage(reader.message()))
    else if (field === 4) isFinal = reader.bool()
    else reader.skip()
  }
  if (correlation.length > MAX_CORRELATION_BYTES) throw new MalformedMessage('The correlation id is no UUID')
  return { correlation, correlationId, options, messages, isFinal, size: buffer.length }
}

function readBatchOptions(reader: Reader): BatchOptions {
  let stream: Buffer | undefined
  let expected: Expected | undefined
  let deadline: number | undefined
  let timeout: number | undefined
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) stream = readStreamName(reader.message())
    else if (field === 2) expected = toExpected(reader.uint64())
    else if (field === 3) expected = emptied(reader, NoStream)
    else if (field === 4) expected = emptied(reader, Any)
    else if (field === 5) expected = emptied(reader, StreamExists)
    else if (field === 6) {
      deadline = readMilliseconds(reader.message())
      timeout = undefined
    } else if (field === 7) {
      timeout = readMilliseconds(reader.message())
      deadline = undefined
    } else reader.skip()
  }
  return { stream, expected, deadline, timeout }
}

function emptied(reader: Reader, expected: Expected): Expected {
  reader.skip()
  return expected
}

function readStreamName(reader: Reader): Buffer {
  let name = EMPTY
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 3) name = reader.bytes()
    else reader.skip()
  }
  return name
}

/** google.protobuf.Timestamp and Duration have the same fields. */
function readMilliseconds(reader: Reader): number {
  let milliseconds = 0
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) milliseconds += Number(reader.int64()) * 1000
    else if (field === 2) milliseconds += reader.int32() / 1e6
    else reader.skip()
  }
  return milliseconds
}

function readBatchMessage(reader: Reader): BatchMessage {
  let id: string | undefined
  let type: string | undefined
  let contentType: string | undefined
  let metadata = EMPTY
  let data = EMPTY
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) id = readUuid(reader.message())
    else if (field === 2) {
      const [key, value] = readMapEntry(reader.message())
      if (key === 'type') type = value
      else if (key === 'content-type') contentType = value
    } else if (field === 3) metadata = reader.bytes()
    else if (field === 4) data = reader.bytes()
    else reader.skip()
  }
  return { id, type, contentType, metadata, data }
}

function readMapEntry(reader: Reader): [key: string, value: string] {
  let key = ''
  let value = ''
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) key = reader.string()
    else if (field === 2) value = reader.string()
    else reader.skip()
  }
  return [key, value]
}

function readUuid(reader: Reader): string | undefined {
  let id: string | undefined
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) id = readHalves(reader.message())
    else if (field === 2) id = normalizeUuid(reader.string())
    else reader.skip()
  }
  return id
}

function readHalves(reader: Reader): string {
  let most = 0n
  let least = 0n
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) most = reader.int64()
    else if (field === 2) least = reader.int64()
    else reader.skip()
  }
  return uuidFromHalves(most, least)
}

/** A success. `revision` −1 stands for no stream; without a position it is `no_position`. */
export function writeBatchAppendSuccess(
  correlation: Buffer,
  stream: Buffer,
  revision: number,
  position: number | undefined,
): Buffer {
  const revisionSize = revision < 0 ? 2 : uint64Size(revision)
  const positionLength = position === undefined ? 0 : 2 * uint64Size(position)
  const successLength = revisionSize + fieldSize(positionLength)
  const streamLength = fieldSize(stream.length)
  const writer = new Writer(fieldSize(correlation.length) + fieldSize(successLength) + fieldSize(streamLength))
  writer.bytes(1, correlation)
  writer.open(3, successLength)
  if (revision < 0) writer.open(2, 0)
  else writer.uint64(1, revision)
  if (position === undefined) writer.open(4, 0)
  else {
    writer.open(3, positionLength)
    writer.uint64(1, position)
    writer.uint64(2, position)
  }
  writer.open(4, streamLength)
  writer.bytes(3, stream)
  return writer.buffer
}

/** An error: google.rpc.Status, with one detail as a google.protobuf.Any. */
export function writeBatchAppendError(
  correlation: Buffer,
  stream: Buffer,
  error: { code: number; message: string; detailType: string; detail: Uint8Array },
): Buffer {
  const message = Buffer.from(error.message)
  const typeUrl = Buffer.from(`type.googleapis.com/${error.detailType}`)
  const anyLength = fieldSize(typeUrl.length) + fieldSize(error.detail.length)
  const statusLength = uint64Size(error.code) + fieldSize(message.length) + fieldSize(anyLength)
  const streamLength = fieldSize(stream.length)
  const writer = new Writer(fieldSize(correlation.length) + fieldSize(statusLength) + fieldSize(streamLength))
  writer.bytes(1, correlation)
  writer.open(2, statusLength)
  writer.uint64(1, error.code)
  writer.bytes(2, message)
  writer.open(3, anyLength)
  writer.bytes(1, typeUrl)
  writer.bytes(2, error.detail)
  writer.open(4, streamLength)
  writer.bytes(3, stream)
  return writer.buffer
}
