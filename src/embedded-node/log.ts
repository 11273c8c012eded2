import { crc32 } from 'node:zlib'
import type { Statement } from 'better-sqlite3'
import { isComputed } from './computed-streams.ts'
import { TOMBSTONE } from './decide.ts'
import { CorruptLog, LogClosed } from './errors.ts'
import { failpoint } from './failpoint.ts'
import type { CompiledFilter } from './filter.ts'
import { VISIBLE_IN_ALL } from './hidden-streams.ts'
import { LinkIndex } from './link-index.ts'
import { LogCleaner, sizeOf } from './log-cleaner.ts'
import type { LogEvent, Page } from './log-event.ts'
import { isCorruption, type LogFile, openLogFile } from './log-file.ts'
import { LogRewrite } from './log-rewrite.ts'
import { prepareStatements, type Row, type Statements } from './log-statements.ts'
import { uuidFromBytes, uuidToBytes } from './uuid.ts'

const PAGE_EVENTS = 512
const PAGE_BYTES = 256 * 1024
/** Milliseconds for a filter that SQL alone cannot apply. One event is always tried. */
const FILTER_MS = 10

/** 2^63−1, which SQLite holds and a JavaScript number does not. */
const TOMBSTONE_INT64 = 2n ** 63n - 1n

/** Every event ever written, in one SQLite file. All calls are synchronous. */
export class Log {
  /** Where the streams are that nobody writes: reads of them go there. */
  readonly links: LinkIndex
  readonly #file: LogFile
  #statements: Statements
  readonly #filtered = new Map<string, Statement<unknown[], Row>>()
  /** The scan that is going on, for a filter that SQL calls back. */
  #scan: Scan = { accepts: () => false, until: 0, reached: undefined }
  #last: number

  /** @throws LogInUse, UnknownLogFormat, CorruptLog */
  constructor(dataDir: string) {
    this.#file = openLogFile(dataDir)
    const { database } = this.#file
    this.links = new LinkIndex(database, () => this.#last)
    try {
      this.#statements = this.#guard(() => prepareStatements(database))
      this.#last = this.#guard(() => this.#statements.lastPosition.get() ?? 0)
      this.#addFunctions()
    } catch (error) {
      this.#file.close()
      throw error
    }
  }

  get path(): string {
    return this.#file.path
  }

  /** The position of the newest event or empty append; 0 when there is none. */
  get lastPosition(): number {
    return this.#last
  }

  /** −1 when the stream has no events, {@link TOMBSTONE} when it was tombstoned. */
  lastRevision(stream: string): number {
    if (isComputed(stream)) return this.#guard(() => this.links.lastRevision(stream))
    return this.#guard(() => this.#statements.lastRevision.get(stream)) ?? -1
  }

  idAt(stream: string, revision: number): string | undefined {
    const id = this.#guard(() => this.#statements.idAt.get(stream, revision))
    return id === undefined ? undefined : uuidFromBytes(id)
  }

  at(stream: string, revision: number): LogEvent | undefined {
    if (isComputed(stream)) return this.#guard(() => this.links.at(stream, revision))
    const row = this.#guard(() => this.#statements.at.get(stream, toInt64(revision)))
    return row === undefined ? undefined : this.#event(row)
  }

  /** Events of a stream from a revision on. A tombstone is its last event. */
  streamForwards(stream: string, from: number, limit: number): Page {
    if (isComputed(stream)) return this.#guard(() => this.links.forwards(stream, from, limit))
    return this.#page(this.#statements.streamForwards, [stream, toInt64(from)], limit)
  }

  /** Events of a stream from a revision back. */
  streamBackwards(stream: string, from: number, limit: number): Page {
    if (isComputed(stream)) return this.#guard(() => this.links.backwards(stream, from, limit))
    return this.#page(this.#statements.streamBackwards, [stream, toInt64(from)], limit)
  }

  /** Events behind a position. */
  allForwards(after: number, limit: number): Page {
    return this.#page(this.#statements.allForwards, [after], limit)
  }

  /** Events before a position, newest first. */
  allBackwards(before: number, limit: number): Page {
    return this.#page(this.#statements.allBackwards, [before], limit)
  }

  /** Events that pass a filter, behind one position and up to another. Of the others only stream and type are read. */
  filteredForwards(after: number, upTo: number, filter: CompiledFilter, limit: number): Page {
    const condition = `position > ? AND position <= ? AND ${VISIBLE_IN_ALL} AND ${filter.sql} ORDER BY position LIMIT ?`
    const statement = this.#filter(condition, filter)
    return this.#page(statement, [after, upTo, ...filter.parameters], limit)
  }

  /** Events that pass a filter, before one position and from another on, newest first. */
  filteredBackwards(before: number, from: number, filter: CompiledFilter, limit: number): Page {
    const condition = `position < ? AND position >= ? AND ${VISIBLE_IN_ALL} AND ${filter.sql} ORDER BY position DESC LIMIT ?`
    return this.#page(this.#filter(condition, filter), [before, from, ...filter.parameters], limit)
  }

  /** Ids of the events behind a position, oldest first. */
  forEachIdBehind(position: number, visit: (id: string, stream: string, revision: number) => void): void {
    this.#guard(() => {
      for (const { id, stream, revision } of this.#statements.idsBehind.iterate(position)) {
        visit(uuidFromBytes(id), stream, revision)
      }
    })
  }

  /**
   * Runs `write` in one transaction that is on the disk when this returns. When it throws, nothing was written. Gives
   * the seconds that the commit took.
   */
  transaction(write: () => void): number {
    const { database } = this.#file
    const last = this.#last
    try {
      this.#statements.begin.run()
      write()
      failpoint('node.before-fsync')
      const written = performance.now()
      this.#statements.commit.run()
      const seconds = (performance.now() - written) / 1_000
      failpoint('node.after-fsync')
      return seconds
    } catch (error) {
      this.#last = last
      if (database.inTransaction) database.exec('ROLLBACK')
      throw isCorruption(error) ? new CorruptLog(this.path, error.message) : error
    }
  }

  /** Writes an event behind all others; only inside a {@link transaction}. */
  insert(event: Omit<LogEvent, 'position'>): LogEvent {
    const position = this.#last + 1
    const { stream, revision, type, json, created, metadata, data } = event
    const id = uuidToBytes(event.id)
    const checksum = checksumOf(
      `${position} ${revision} ${json ? 1 : 0} ${created} ${stream} ${type}`,
      id,
      metadata,
      data,
    )
    this.#statements.insert.run(
      position,
      stream,
      toInt64(revision),
      type,
      id,
      json ? 1 : 0,
      created,
      checksum,
      metadata,
      data,
    )
    this.#last = position
    return { ...event, position }
  }

  /** Takes a position without an event; only inside a {@link transaction}. */
  takePosition(): number {
    const position = this.#last + 1
    this.#statements.take.run(position)
    this.#last = position
    return position
  }

  /** Moves what the write-ahead log holds into the file, as far as that needs no waiting. */
  checkpoint(): void {
    this.#guard(() => this.#file.database.pragma('wal_checkpoint(PASSIVE)'))
  }

  /** Size of the file with all that is committed, in bytes. */
  get size(): number {
    return sizeOf(this.#file.database)
  }

  /** What a scavenge works with until the log is rewritten. */
  cleaner(): LogCleaner {
    return new LogCleaner(this.#file.database, this.links)
  }

  /**
   * Copies the log into a new file, in slices of some milliseconds with `pause` between them, and goes on with that
   * one. Nothing may be removed meanwhile. When `pause` rejects, everything stays as it was.
   *
   * @throws LogClosed when the log cannot be used any more
   */
  async rewrite(pause: () => Promise<void>, sliceMs: number): Promise<void> {
    this.checkpoint()
    const before = this.#file.database
    const copy = new LogRewrite(this.path, this.links.isInUse)
    try {
      for (let isDone = false; !isDone; await pause()) {
        for (const deadline = performance.now() + sliceMs; !isDone && performance.now() < deadline; ) {
          isDone = copy.copySome()
        }
      }
      // What is on the disk by now needs no waiting for below.
      await copy.flush()
      await pause()
      this.checkpoint()
      copy.finish()
      this.#file.replaceBy(copy.path)
    } finally {
      copy.discard()
      if (this.#file.database !== before) this.#reopened()
    }
  }

  close(): void {
    this.links.close()
    this.#file.close()
  }

  #reopened(): void {
    const { database } = this.#file
    try {
      this.#statements = prepareStatements(database)
      this.#filtered.clear()
      this.#addFunctions()
      this.links.reopen(database)
    } catch (error) {
      throw new LogClosed(this.path, error)
    }
  }

  /** The filter of a read, as a function of SQL. */
  #addFunctions(): void {
    const accepts = (position: unknown, text: unknown): number =>
      this.#accepts(Number(position), String(text)) ? 1 : 0
    this.#file.database.function('accepts', accepts)
  }

  #page(statement: Statement<unknown[], Row>, parameters: unknown[], limit: number): Page {
    const wanted = Math.min(limit, PAGE_EVENTS)
    return this.#guard(() => {
      const events: LogEvent[] = []
      let bytes = 0
      try {
        for (const row of statement.iterate(...parameters, wanted)) {
          events.push(this.#event(row))
          bytes += row.data.length + row.metadata.length
          if (bytes >= PAGE_BYTES) return { events, end: false }
        }
      } catch (error) {
        if (error instanceof OutOfTime) return { events, end: false, paused: error.reached }
        throw error
      }
      return { events, end: events.length < wanted }
    })
  }

  #accepts(position: number, text: string): boolean {
    const scan = this.#scan
    if (scan.reached !== undefined && performance.now() > scan.until) throw new OutOfTime(scan.reached)
    scan.reached = position
    return scan.accepts(text)
  }

  #filter(where: string, filter: CompiledFilter): Statement<unknown[], Row> {
    this.#scan = { accepts: filter.accepts, until: performance.now() + FILTER_MS, reached: undefined }
    const known = this.#filtered.get(where)
    if (known !== undefined) return known
    const statement = this.#file.database.prepare<unknown[], Row>(`SELECT * FROM event WHERE ${where}`)
    if (this.#filtered.size >= 100) this.#filtered.clear()
    this.#filtered.set(where, statement)
    return statement
  }

  #event(row: Row): LogEvent {
    const { position, stream, revision, type, id, json, created, metadata, data } = row
    if (!matchesChecksum(row)) {
      throw new CorruptLog(this.path, `the event at position ${position} does not match its checksum`)
    }
    return { position, stream, revision, type, id: uuidFromBytes(id), json: json === 1, created, metadata, data }
  }

  #guard<T>(read: () => T): T {
    try {
      return read()
    } catch (error) {
      throw isCorruption(error) ? new CorruptLog(this.path, error.message) : error
    }
  }
}

interface Scan {
  readonly accepts: (text: string) => boolean
  /** By performance.now(). */
  readonly until: number
  reached: number | undefined
}

/** Thrown through SQLite to stop a scan. */
class OutOfTime extends Error {
  readonly reached: number

  constructor(reached: number) {
    super()
    this.reached = reached
  }
}

const toInt64 = (revision: number): number | bigint => (revision >= TOMBSTONE ? TOMBSTONE_INT64 : revision)

/** Whether the row is the one that was written. */
export function matchesChecksum(row: Row): boolean {
  const { position, stream, revision, type, id, json, created, checksum, metadata, data } = row
  return checksumOf(`${position} ${revision} ${json} ${created} ${stream} ${type}`, id, metadata, data) === checksum
}

/** SQLite does not notice a flipped bit inside a value; this does. */
function checksumOf(head: string, id: Buffer, metadata: Buffer, data: Buffer): number {
  return [id, metadata, data].reduce(addToChecksum, crc32(head))
}

/** zlib takes some empty buffers for a wish to start again at 0. */
const addToChecksum = (sum: number, bytes: Buffer): number => (bytes.length === 0 ? sum : crc32(bytes, sum))
