import type Database from 'better-sqlite3'
import type { Logger } from 'pino'
import type { Position } from '../cqrs/event.ts'
import type { EventLog } from '../cqrs/event-store.ts'
import { FileIdentity } from './file-identity.ts'
import { type Projection, type ReadModelDatabase, streamPrefixesOf } from './projection.ts'
import { type AppliedBatch, Projector, type ProjectorStatus, StoreReplaced } from './projector.ts'
import { ProjectorFenced, ReadModelWriter } from './writer.ts'

export interface GenerationOptions<Queries> {
  readonly log: EventLog
  readonly projections: readonly Projection[]
  readonly queries: (db: ReadModelDatabase) => Queries
  readonly logger: Logger
  /** Told of each batch of events that were applied as they happened, and not while the log was replayed. */
  readonly onApplied?: (batch: AppliedBatch) => void
}

/** One file of a running service, with the projector that feeds it and the queries over it. */
export class Generation<Queries> {
  readonly #db: ReadModelDatabase
  readonly #queries: Queries
  readonly #writer: ReadModelWriter
  readonly #projector: Projector
  readonly #identity: FileIdentity
  readonly #begin: Database.Statement<[]>
  readonly #end: Database.Statement<[]>
  readonly #position: { get(): { position: Position | null } | undefined }

  constructor(db: ReadModelDatabase, options: GenerationOptions<Queries>, onProgress: () => void) {
    const { log, projections, logger, onApplied } = options
    this.#db = db
    this.#queries = options.queries(db)
    this.#begin = db.$client.prepare('BEGIN')
    this.#end = db.$client.prepare('COMMIT')
    this.#position = db.$client.prepare('SELECT position FROM checkpoint')
    this.#writer = new ReadModelWriter(db, projections, 'park')
    this.#identity = new FileIdentity(db.$client.name)
    this.#projector = new Projector({
      ...{ log, logger, onProgress, ...(onApplied && { onApplied }) },
      writer: this.#writer,
      streamPrefixes: streamPrefixesOf(projections),
    })
  }

  get file(): string {
    return this.#db.$client.name
  }

  /** What queries reflect. */
  get position(): Position {
    const isFenced = this.#projector.status().error instanceof ProjectorFenced
    return isFenced ? this.#storedPosition() : (this.#writer.position ?? 0)
  }

  /** Whether the log was replaced by one that has not what this file was made from. */
  get isOfAnotherLog(): boolean {
    return this.#projector.status().error instanceof StoreReplaced
  }

  /** Whether the file is still the one that was opened. Where it is not, queries go on, but nothing of it will last. */
  isIntact(): boolean {
    return this.#identity.isIntact()
  }

  status(): ProjectorStatus {
    return { ...this.#projector.status(), position: this.position }
  }

  query<T>(read: (queries: Queries) => T): { value: T; position: Position } {
    // A transaction, because a projector of another process may have fenced this one off and be writing.
    this.#begin.run()
    try {
      return { value: read(this.#queries), position: this.#storedPosition() }
    } finally {
      // SQLite may have ended it already, where the file is at fault.
      if (this.#db.$client.inTransaction) this.#end.run()
    }
  }

  /** See {@link Projector.replayParked}. */
  replayParked(): number {
    return this.#projector.replayParked()
  }

  /** Whether it has every event that the other has; then it comes to reflect the same position, if not a later one. */
  catchUpWith(other: Generation<Queries>): boolean {
    if ((this.#writer.lastEvent?.position ?? 0) < (other.#writer.lastEvent?.position ?? 0)) return false
    this.#writer.write({ events: [], position: other.position, caughtUp: true })
    return true
  }

  /** Puts on disk what only the write-ahead log has. */
  flush(): void {
    this.#db.$client.pragma('wal_checkpoint(TRUNCATE)')
  }

  async close(): Promise<void> {
    await this.#projector.stop()
    this.#db.$client.close()
  }

  /** Of the file, which another process moves on where it has fenced this one off. */
  #storedPosition(): Position {
    return this.#position.get()?.position ?? 0
  }
}
