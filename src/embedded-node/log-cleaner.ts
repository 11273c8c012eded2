import type { Database, Statement } from 'better-sqlite3'
import type { LinkIndex } from './link-index.ts'

/** What a scavenge needs to know of an event. */
export interface Removable {
  readonly position: number
  readonly revision: number
  readonly created: number
}

/** Pages of the file that are given back at once. */
const PAGES_AT_ONCE = 16

/** What a scavenge does in the log. Changes are made inside a transaction of the caller. */
export class LogCleaner {
  readonly #database: Database
  readonly #links: LinkIndex | undefined
  readonly #next: Statement<[string], string>
  readonly #oldest: Statement<[string, number], Removable>
  readonly #remove: Statement<[number]>

  constructor(database: Database, links: LinkIndex) {
    this.#database = database
    this.#links = links.isInUse ? links : undefined
    this.#next = database
      .prepare<[string], string>('SELECT stream FROM event WHERE stream > ? ORDER BY stream LIMIT 1')
      .pluck()
    this.#oldest = database.prepare(
      'SELECT position, revision, created FROM event WHERE stream = ? ORDER BY revision LIMIT ?',
    )
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

  remove(position: number): void {
    this.#links?.keepOrigin(position)
    this.#remove.run(position)
  }

  /** Size of the file and of what is unused of it, in bytes. */
  get size(): { total: number; free: number } {
    const page = this.#number('page_size')
    return { total: this.#number('page_count') * page, free: this.#number('freelist_count') * page }
  }

  /** Whether {@link releasePages} does anything: it was decided when the file was made. */
  get canReleasePages(): boolean {
    return this.#number('auto_vacuum') === 2
  }

  /** Moves some pages from the end of the file into unused ones and cuts it; false when none are unused. */
  releasePages(): boolean {
    this.#database.pragma(`incremental_vacuum(${PAGES_AT_ONCE})`)
    return this.#number('freelist_count') > 0
  }

  #number(pragma: string): number {
    return Number(this.#database.pragma(pragma, { simple: true }))
  }
}
