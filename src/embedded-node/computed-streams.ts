import { createHash } from 'node:crypto'
import { TOMBSTONE } from './decide.ts'
import type { LogEvent } from './log-event.ts'
import { isMetastream, isSoftDeleted, originalOf, parseMetadata } from './metadata.ts'
import { uuidFromBytes } from './uuid.ts'

// What the system projections $streams, $by_category and $by_event_type of EventStoreDB emit
// (developers.eventstore.com/server/v23.10/projections/system.html), with `first` and `-` for categories.

const STREAMS = '$streams'
const CATEGORY = '$ce-'
const EVENT_TYPE = '$et-'
const LINK = '$>'
const DELETED = '$deleted'
const DOLLAR = 36

/** Whether the stream is one of links that the server computes. Nobody can write to it. */
export function isComputed(stream: string): boolean {
  return (
    stream.charCodeAt(0) === DOLLAR &&
    (stream.startsWith(CATEGORY) || stream.startsWith(EVENT_TYPE) || stream === STREAMS)
  )
}

/** Whether writes to the stream are refused: it is computed, or the metadata of a computed one. */
export function isReadOnly(stream: string): boolean {
  return stream.charCodeAt(0) === DOLLAR && isComputed(isMetastream(stream) ? originalOf(stream) : stream)
}

/** What a link is made of: the event that it leads to. Of `data` only that of links and metadata matters. */
export type Origin = Pick<LogEvent, 'position' | 'stream' | 'revision' | 'type' | 'id' | 'created' | 'data'>

/**
 * The computed streams that get a link to an event. As in EventStoreDB, events of system streams get none, metadata of
 * other streams is an event like any other but has no category, and whatever deletes a stream counts as `$deleted`.
 */
export function computedStreamsOf(event: Origin): readonly string[] {
  const { stream, revision, type } = event
  const original = isMetastream(stream) ? originalOf(stream) : stream
  if (original.charCodeAt(0) === DOLLAR) return []
  const deletes = deletesStream(event)
  const dash = original.indexOf('-')
  return [
    ...(revision === 0 ? [STREAMS] : []),
    ...(dash > 0 && (original === stream || deletes) ? [CATEGORY + original.slice(0, dash)] : []),
    ...(type === LINK ? [] : [EVENT_TYPE + (deletes ? DELETED : type)]),
  ]
}

/** The link to an event at a revision of a computed stream. It has the event's position, and always the same id. */
export function linkTo(origin: Origin, stream: string, revision: number): LogEvent {
  const { position, created, id, type } = origin
  const isMetadata = isMetastream(origin.stream)
  const original = isMetadata ? originalOf(origin.stream) : origin.stream
  const target = origin.revision >= TOMBSTONE ? 2n ** 63n - 1n : origin.revision
  const isCategory = stream.startsWith(CATEGORY)
  const deletes = type === '$streamDeleted' || (isMetadata && (isCategory || stream === EVENT_TYPE + DELETED))
  // That links by type name the stream and not its metastream is the real one's way.
  const targetStream = stream.startsWith(EVENT_TYPE) ? original : origin.stream
  const metadata = {
    $c: position,
    $p: position,
    ...(isCategory && { $o: original }),
    ...(deletes && stream !== STREAMS && { $deleted: -1 }),
    $causedBy: id,
  }
  return {
    position,
    stream,
    revision,
    type: LINK,
    id: idOf(stream, id),
    json: false,
    created,
    metadata: Buffer.from(JSON.stringify(metadata)),
    data: isCategory && type === LINK ? origin.data : Buffer.from(`${target}@${targetStream}`),
  }
}

function deletesStream({ stream, type, data }: Origin): boolean {
  if (!isMetastream(stream)) return type === '$streamDeleted'
  return type === '$metadata' && isSoftDeleted(parseMetadata(data))
}

/** RFC 9562, version 8: the same link has the same id whenever it is read. */
function idOf(stream: string, origin: string): string {
  const bytes = createHash('sha1').update(`${origin} ${stream}`).digest().subarray(0, 16)
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x80, 6)
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8)
  return uuidFromBytes(bytes)
}
