import type Database from 'better-sqlite3'
import type { Position, RecordedEvent } from '../cqrs/event.ts'
import type { LogBatch } from '../cqrs/event-store.ts'
import { applyAll, eventApplier, type LastEvent, lastInOrder } from './apply.ts'
import { failpoint } from './failpoint.ts'
import type { Projection, ReadModelDatabase } from './projection.ts'

/** Events in one transaction. The search index is written at its end, which costs the less per event the more it is. */
const EVENTS_PER_COMMIT = 20_000

/**
 * Fills a new file that nobody else uses yet: small batches as they come, so that the next one can be received
 * meanwhile, but large transactions. A batch that fails leaves the file unusable.
 */
export class BulkWriter {
  readonly #client: Database.Database
  readonly #apply: (event: RecordedEvent) => void
  readonly #setCheckpoint: Database.Statement<[Position | null, Position | null, string | null]>
  #uncommitted = 0
  #position: Position | undefined
  #lastEvent: LastEvent | undefined

  constructor(db: ReadModelDatabase, projections: readonly Projection[]) {
    this.#client = db.$client
    this.#apply = eventApplier(db, projections)
    this.#setCheckpoint = db.$client.prepare('UPDATE checkpoint SET position = ?, last_event = ?, last_event_id = ?')
  }

  /**
   * @throws {PoisonEvent}
   * @throws {EventsOutOfOrder}
   */
  write({ events, position }: LogBatch): void {
    if (!this.#client.inTransaction) this.#client.exec('BEGIN')
    this.#lastEvent = lastInOrder(events, this.#lastEvent)
    applyAll(events, this.#apply)
    this.#position = position
    this.#uncommitted += events.length
    failpoint('rebuild.batch-written')
    if (this.#uncommitted >= EVENTS_PER_COMMIT) this.commit()
  }

  commit(): void {
    if (!this.#client.inTransaction) return
    this.#setCheckpoint.run(this.#position ?? null, this.#lastEvent?.position ?? null, this.#lastEvent?.id ?? null)
    this.#client.exec('COMMIT')
    this.#uncommitted = 0
  }
}
