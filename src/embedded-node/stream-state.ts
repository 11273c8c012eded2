import type { Acl } from './acl.ts'
import { BoundedMap } from './bounded-map.ts'
import { isComputed } from './computed-streams.ts'
import { type StreamState, TOMBSTONE } from './decide.ts'
import type { Log } from './log.ts'
import type { LogEvent } from './log-event.ts'
import {
  firstReadable,
  isMetastream,
  isSoftDeleted,
  METASTREAM_METADATA,
  metastreamOf,
  NO_METADATA,
  oldestReadable,
  originalOf,
  parseMetadata,
  type StreamMetadata,
} from './metadata.ts'

/** Streams whose last revision and metadata are kept in memory. */
const CACHED = 20_000

interface Entry {
  last: number
  metadata: StreamMetadata
}

/** What reads and writes need to know of a stream: its last revision and what its metadata says. */
export class Streams {
  readonly #log: Log
  readonly #cache = new BoundedMap<Entry>(CACHED)

  constructor(log: Log) {
    this.#log = log
  }

  /** The state that a decision about a write needs. */
  state(stream: string): StreamState {
    const { last, metadata } = this.#entry(stream)
    const lastMetadata = this.#log.lastRevision(metastreamOf(stream))
    // A metastream that was never written ends with its stream; one that exists can still be written to.
    const ended = last < 0 && this.#isMetastreamOfTombstone(stream)
    return { last: ended ? TOMBSTONE : last, lastMetadata, softDeleted: isSoftDeleted(metadata) }
  }

  last(stream: string): number {
    return this.#entry(stream).last
  }

  /** Whether reads of the stream are refused for ever. */
  isTombstoned(stream: string): boolean {
    return this.last(stream) === TOMBSTONE || this.#isMetastreamOfTombstone(stream)
  }

  /** Whether reads find nothing: it never had events, or was soft-deleted. */
  isMissing(stream: string): boolean {
    const { last, metadata } = this.#entry(stream)
    return last < 0 || isSoftDeleted(metadata)
  }

  /** Which events of the stream its metadata leaves readable at a time. */
  readable(stream: string, nowMicros: number): { from: number; since: number } {
    const { last, metadata } = this.#entry(stream)
    return { from: firstReadable(metadata, last), since: oldestReadable(metadata, nowMicros) }
  }

  /** What the metadata of the stream says of rights to it. */
  acl(stream: string): Acl | undefined {
    return this.#entry(stream).metadata.acl
  }

  /** The event at a revision, if it can be read: not deleted, not hidden by metadata. */
  readableAt(stream: string, at: number | 'last', nowMicros: number): LogEvent | undefined {
    if (this.isTombstoned(stream) || this.isMissing(stream)) return undefined
    const revision = at === 'last' ? this.last(stream) : at
    const { from, since } = this.readable(stream, nowMicros)
    if (revision < from) return undefined
    const event = this.#log.at(stream, revision)
    return event !== undefined && event.created >= since ? event : undefined
  }

  /** Takes note of an event that was written. */
  written(event: LogEvent): void {
    const { stream, revision } = event
    const entry = this.#cache.get(stream)
    if (entry === undefined) this.#cache.set(stream, { last: revision, metadata: this.#readMetadata(stream) })
    else entry.last = revision
    if (!isMetastream(stream)) return
    const original = this.#cache.get(originalOf(stream))
    if (original !== undefined) original.metadata = this.#metadataIn(originalOf(stream), event)
  }

  /** Forgets a stream; the log knows. */
  forget(stream: string): void {
    this.#cache.delete(stream)
  }

  /** Forgets everything; the log knows. */
  clear(): void {
    this.#cache.clear()
  }

  #entry(stream: string): Entry {
    const known = this.#cache.get(stream)
    if (known !== undefined) return known
    // Their last revision rises without a write.
    if (isComputed(stream)) return { last: this.#log.lastRevision(stream), metadata: NO_METADATA }
    const entry = { last: this.#log.lastRevision(stream), metadata: this.#readMetadata(stream) }
    this.#cache.set(stream, entry)
    return entry
  }

  #readMetadata(stream: string): StreamMetadata {
    if (isMetastream(stream)) return METASTREAM_METADATA
    const metastream = metastreamOf(stream)
    const last = this.#log.lastRevision(metastream)
    const event = last < 0 ? undefined : this.#log.at(metastream, last)
    return event === undefined ? NO_METADATA : this.#metadataIn(stream, event)
  }

  #metadataIn(stream: string, event: LogEvent): StreamMetadata {
    if (isMetastream(stream)) return METASTREAM_METADATA
    return event.json && event.revision !== TOMBSTONE ? parseMetadata(event.data) : NO_METADATA
  }

  #isMetastreamOfTombstone(stream: string): boolean {
    return isMetastream(stream) && !isComputed(originalOf(stream)) && this.last(originalOf(stream)) === TOMBSTONE
  }
}
