import type { Database, Statement } from 'better-sqlite3'
import type { LinkIndex } from './link-index.ts'

/** What a scavenge needs to know of an event. */
export interface Removable {
  readonly position: number
  readonly revision: number
  readonly created: number
  readonly bytes: number
}

/** How many bytes were removed since the file was made; a log has the table once it was scavenged. */
const SCHEMA = `
  CREATE TABLE IF NOT EXISTS removed (bytes INTEGER NOT NULL) STRICT;
  INSERT INTO removed SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM removed);
`

/** What a row takes in the table and its index besides its texts and values, in bytes. */
const ROW_BYTES = 50

/** What a scavenge does in the log. Changes are made inside a transaction of the caller. */
export class LogCleaner {
  readonly #database: Database
  readonly #links: LinkIndex
  readonly #next: Statement<[string], string>
  readonly #oldest: Statement<[string, number], Removable>
  readonly #remove: Statement<[number]>
  readonly #count: Statement<[number]>

  constructor(database: Database, links: LinkIndex) {
    this.#database = database
    this.#links = links
    this.#next = database
      .prepare<[string], string>('SELECT stream FROM event WHERE stream > ? ORDER BY stream LIMIT 1')
      .pluck()
    this.#oldest = database.prepare(
      `SELECT position, revision, created,
         ${ROW_BYTES} + 2 * length(stream) + length(type) + length(metadata) + length(data) AS bytes
       FROM event WHERE stream = ? ORDER BY revision LIMIT ?`,
    )
    database.exec(SCHEMA)
    this.#count = database.prepare('UPDATE removed SET bytes = bytes + ?')
    this.#remove = database.prepare('DELETE FROM event WHERE position = ?')
  }

  /** Has the last position remembered: the event that has it may go. */
  keepPosition(position: number): void {
    this.#database.prepare('UPDATE position_taken SET position = max(position, ?)').run(position)
  }

  /** Streams in the order of their names; '' is before the first. */
  streamBehind(stream: string): string | undefined {
    return this.#next.get(stream)
  }

  oldestOf(stream: string, limit: number): readonly Removable[] {
    return this.#oldest.all(stream, limit)
  }

  remove({ position, bytes }: Removable): void {
    // Not known once for all: the first read of a computed stream may come while a scavenge goes on.
    if (this.#links.isInUse) this.#links.keepOrigin(position)
    this.#remove.run(position)
    this.#count.run(bytes)
  }

  /** The part of the file that a copy of it would not have, as far as is known: from 0 to 1. */
  get unused(): number {
    const removed = this.#database.prepare<[], number>('SELECT bytes FROM removed').pluck().get() ?? 0
    return Math.min(1, removed / sizeOf(this.#database))
  }
}

/** Size of a database with all that is committed, in bytes. */
export function sizeOf(database: Database): number {
  const read = (pragma: string): number => Number(database.pragma(pragma, { simple: true }))
  return read('page_size') * read('page_count')
}
