import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Database } from 'better-sqlite3'
import { BoundedMap } from './bounded-map.ts'
import { computedStreamsOf, linkTo, type Origin } from './computed-streams.ts'
import { reportFault } from './fault.ts'
import { type LinkRow, type LinkStatements, openLinkTables } from './link-tables.ts'
import type { LogEvent, Page } from './log-event.ts'
import { uuidFromBytes } from './uuid.ts'

/** How long the index is worked on before others get their turn, in milliseconds. */
const SLICE_MS = 5
const SLICE_EVENTS = 100
const PAGE_EVENTS = 512
/** Positions that the index may lie behind while its streams are followed live. */
const MAX_LAG = 5_000
const CACHED_STREAMS = 10_000

/**
 * The computed streams, kept as numbers of links and positions of events. The index begins to exist with the first
 * read of a computed stream. Writers do nothing for it: whoever reads first brings it up to the end of the log.
 * A link keeps its revision for ever, whatever happens to the event that it leads to.
 */
export class LinkIndex {
  #database: Database
  readonly #lastPosition: () => number
  readonly #streamIds = new BoundedMap<number>(CACHED_STREAMS)
  /** Streams that are followed live: their next revision, and the position up to which they are counted. */
  readonly #followed = new Map<string, { next: number; position: number }>()
  #opened: LinkStatements | undefined
  /** Whether the file had the tables before this process opened them. */
  #hadTables: boolean | undefined
  #position = 0
  #catchingUp: Promise<void> | undefined
  #isClosed = false

  constructor(database: Database, lastPosition: () => number) {
    this.#database = database
    this.#lastPosition = lastPosition
  }

  /** Brings the index up to the end of the log, in slices that leave the thread to others in between. */
  catchUp(): Promise<void> {
    this.#catchingUp ??= this.#catchUp().finally(() => {
      this.#catchingUp = undefined
    })
    return this.#catchingUp
  }

  async catchUpIfInUse(): Promise<void> {
    if (this.isInUse) await this.catchUp()
  }

  /** −1 when the stream has no links. */
  lastRevision(stream: string): number {
    return this.#lastRevision(this.#caughtUp(), this.#idOf(stream))
  }

  at(stream: string, revision: number): LogEvent | undefined {
    const [event] = this.forwards(stream, revision, 1).events
    return event?.revision === revision ? event : undefined
  }

  /** Links of a stream from a revision on. */
  forwards(stream: string, from: number, limit: number): Page {
    return this.#page(stream, this.#caughtUp().forwards, from, limit)
  }

  /** Links of a stream from a revision back. */
  backwards(stream: string, from: number, limit: number): Page {
    return this.#page(stream, this.#caughtUp().backwards, from, limit)
  }

  /** From now on {@link linksTo} gives the links of the stream; not to be called between a commit and its publishing. */
  follow(stream: string): void {
    this.#followed.set(stream, { next: this.lastRevision(stream) + 1, position: this.#position })
  }

  unfollow(stream: string): void {
    this.#followed.delete(stream)
  }

  /** The links to a committed event in the streams that are followed. Events come in the order of the log. */
  linksTo(event: LogEvent): readonly LogEvent[] {
    const links: LogEvent[] = []
    for (const stream of computedStreamsOf(event)) {
      const followed = this.#followed.get(stream)
      if (followed === undefined || event.position <= followed.position) continue
      links.push(linkTo(event, stream, followed.next++))
    }
    if (event.position - this.#position > MAX_LAG) this.catchUp().catch(reportFault)
    return links
  }

  /** Whether links exist, so that {@link keepOrigin} is to be called for what is removed from the log. */
  get isInUse(): boolean {
    if (this.#opened !== undefined) return true
    this.#hadTables ??= this.#database.prepare(HAS_TABLES).get() !== undefined
    return this.#hadTables
  }

  /** Keeps what links need of an event that is about to be removed; inside a transaction of the caller. */
  keepOrigin(position: number): void {
    this.#statements().keepOrigin.run(position)
  }

  /** The same log lies in another file now. */
  reopen(database: Database): void {
    this.#database = database
    this.#opened = undefined
    this.#hadTables = undefined
    this.#streamIds.clear()
  }

  close(): void {
    this.#isClosed = true
  }

  async #catchUp(): Promise<void> {
    while (!this.#isClosed && !this.#advance()) await nextTurn()
  }

  #caughtUp(): LinkStatements {
    const statements = this.#statements()
    while (!this.#advance());
    return statements
  }

  /** Takes one slice of the log into the index; true when it has reached the end. */
  #advance(): boolean {
    const end = this.#lastPosition()
    const statements = this.#statements()
    if (this.#position >= end) return true
    const deadline = performance.now() + SLICE_MS
    let position = this.#position
    try {
      this.#database
        .transaction(() => {
          while (position < end && performance.now() < deadline) {
            const rows = statements.events.all(position, SLICE_EVENTS)
            for (const row of rows) this.#add(statements, origin(row))
            position = rows.length < SLICE_EVENTS ? end : (rows.at(-1)?.position ?? end)
          }
          statements.setPosition.run(position)
        })
        .immediate()
    } catch (error) {
      // Ids of streams that were not written after all must not be remembered.
      this.#streamIds.clear()
      throw error
    }
    this.#position = position
    return position >= end
  }

  #add(statements: LinkStatements, event: Origin): void {
    for (const stream of computedStreamsOf(event)) {
      const id = this.#idOf(stream) ?? this.#newIdOf(stream)
      statements.insert.run(id, this.#lastRevision(statements, id) + 1, event.position)
    }
  }

  #lastRevision(statements: LinkStatements, id: number | undefined): number {
    return id === undefined ? -1 : (statements.lastRevision.get(id) ?? -1)
  }

  #idOf(stream: string): number | undefined {
    const known = this.#streamIds.get(stream) ?? this.#statements().streamId.get(stream)
    if (known !== undefined) this.#streamIds.set(stream, known)
    return known
  }

  #newIdOf(stream: string): number {
    const id = Number(this.#statements().addStream.run(stream).lastInsertRowid)
    this.#streamIds.set(stream, id)
    return id
  }

  #page(stream: string, statement: LinkStatements['forwards'], from: number, limit: number): Page {
    const id = this.#idOf(stream)
    if (id === undefined) return { events: [], end: true }
    const wanted = Math.min(limit, PAGE_EVENTS)
    const rows = statement.all(id, from, wanted)
    return { events: rows.map((row) => linkTo(origin(row), stream, row.link)), end: rows.length < wanted }
  }

  #statements(): LinkStatements {
    if (this.#opened === undefined) {
      this.#opened = openLinkTables(this.#database)
      this.#position = this.#opened.position.get() ?? 0
    }
    return this.#opened
  }
}

const HAS_TABLES = `SELECT 1 FROM sqlite_schema WHERE name = 'link'`
const NOTHING = Buffer.alloc(0)

const origin = ({ id, data, ...row }: Omit<LinkRow, 'link'>): Origin => ({
  ...row,
  id: uuidFromBytes(id),
  data: data ?? NOTHING,
})
