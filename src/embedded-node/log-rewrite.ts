import { closeSync, fsyncSync, openSync, rmSync } from 'node:fs'
import { open } from 'node:fs/promises'
import Database, { type Statement } from 'better-sqlite3'
import { openLinkTables } from './link-tables.ts'
import { createLogFile, draftOf } from './log-file.ts'

/** Rows copied by one statement. */
const ROWS = 200

/**
 * A copy of a log in a new file, without what is unused in the old one. The old one is read and written meanwhile;
 * nothing may be removed from it. A copy that is never finished is no more than a file to be deleted.
 */
export class LogRewrite {
  readonly path: string
  readonly #database: Database.Database
  readonly #steps: (() => boolean)[]
  readonly #events: () => boolean

  /** @param hasLinks whether the log has the tables of the computed streams */
  constructor(logPath: string, hasLinks: boolean) {
    this.path = draftOf(logPath)
    createLogFile(this.path)
    this.#database = new Database(this.path, { timeout: 0 })
    // Until it is finished, nobody misses it.
    this.#database.pragma('journal_mode = OFF')
    this.#database.pragma('synchronous = OFF')
    this.#database.prepare('ATTACH ? AS old').run(logPath)
    this.#events = this.#copyEvents()
    this.#steps = [...(hasLinks ? this.#copyLinks() : []), this.#events]
  }

  /** Copies some rows; true when there are no more. */
  copySome(): boolean {
    const [step] = this.#steps
    if (step === undefined) return true
    const isDone = this.#database.transaction(step)()
    if (isDone) this.#steps.shift()
    return this.#steps.length === 0
  }

  /** Writes what was copied to the disk, while others go on. */
  async flush(): Promise<void> {
    const file = await open(this.path, 'r+')
    try {
      await file.sync()
    } finally {
      await file.close()
    }
  }

  /** Copies what was written since, and writes all of it to the disk. Nothing may be written to the log any more. */
  finish(): void {
    while (!this.#events());
    this.#database.exec('UPDATE position_taken SET position = (SELECT position FROM old.position_taken)')
    // The mode could not be changed any more once others read the copy, as they may as soon as it has its name.
    const mode = this.#database.pragma('main.journal_mode = WAL', { simple: true })
    if (mode !== 'wal') throw new Error(`${this.path} cannot be finished: it is in journal mode ${mode}`)
    this.#database.close()
    const file = openSync(this.path, 'r+')
    fsyncSync(file)
    closeSync(file)
  }

  /** Gives up. */
  discard(): void {
    this.#database.close()
    rmSync(this.path, { force: true })
  }

  #copyEvents(): () => boolean {
    const copy = this.#database.prepare(
      'INSERT INTO main.event SELECT * FROM old.event WHERE position > ? ORDER BY position LIMIT ?',
    )
    const last = this.#database.prepare<[], number>('SELECT coalesce(max(position), 0) FROM main.event').pluck()
    return () => copy.run(last.get() ?? 0, ROWS).changes < ROWS
  }

  /** The links as they are now. Later ones are made again from the events: their numbers come out the same. */
  #copyLinks(): (() => boolean)[] {
    const db = this.#database
    const position = db.prepare<[], number>('SELECT position FROM old.link_position').pluck().get() ?? 0
    const streams = db.prepare<[], number>('SELECT coalesce(max(id), 0) FROM old.link_stream').pluck().get() ?? 0
    openLinkTables(db).setPosition.run(position)
    const byKey = (table: string, key: string, last: number): (() => boolean) => {
      const done: Statement<[], number> = db.prepare(`SELECT coalesce(max(${key}), 0) FROM main.${table}`)
      const copy = db.prepare(
        `INSERT INTO main.${table} SELECT * FROM old.${table} WHERE ${key} > ? AND ${key} <= ${last} ORDER BY ${key} LIMIT ?`,
      )
      return () => copy.run(done.pluck().get() ?? 0, ROWS).changes < ROWS
    }
    const lastLink = db.prepare<[], { stream: number; revision: number }>(
      'SELECT stream, revision FROM main.link ORDER BY stream DESC, revision DESC LIMIT 1',
    )
    const copyLinks = db.prepare(
      `INSERT INTO main.link SELECT stream, revision, position FROM old.link
       WHERE (stream, revision) > (?, ?) AND stream <= ${streams} AND position <= ${position}
       ORDER BY stream, revision LIMIT ?`,
    )
    const links = (): boolean => {
      const { stream, revision } = lastLink.get() ?? { stream: 0, revision: -1 }
      return copyLinks.run(stream, revision, ROWS).changes < ROWS
    }
    return [byKey('link_stream', 'id', streams), byKey('link_origin', 'position', position), links]
  }
}
