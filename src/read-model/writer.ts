import { randomUUID } from 'node:crypto'
import type Database from 'better-sqlite3'
import type { Position, RecordedEvent } from '../cqrs/event.ts'
import type { LogBatch } from '../cqrs/event-store.ts'
import { applyAll, eventApplier, type LastEvent, lastInOrder, PoisonEvent } from './apply.ts'
import { failpoint } from './failpoint.ts'
import { checkpointOf } from './file.ts'
import { ParkedEvents } from './parking.ts'
import type { Projection, ReadModelDatabase } from './projection.ts'
import { isOfTheFile } from './sqlite-faults.ts'
import { checkpoint } from './tables.ts'

/** How often an event is given to its handlers before it is parked. */
const ATTEMPTS = 3

/** What becomes of an event that cannot be applied: it is put aside with its stream, or it ends the replay. */
export type PoisonPolicy = 'park' | 'throw'

/**
 * The one writer of a file. Each batch is one transaction: rows, parked events and checkpoint move together or not
 * at all. A writer that takes a file over fences off the one that had it before.
 */
export class ReadModelWriter {
  readonly #db: ReadModelDatabase
  readonly #policy: PoisonPolicy
  readonly #owner = randomUUID()
  readonly #apply: (event: RecordedEvent) => void
  readonly #parkedEvents: ParkedEvents
  readonly #moveCheckpoint: Database.Statement<
    [Position | null, Position | null, string | null, string, Position | null]
  >
  #position: Position | undefined
  #lastEvent: LastEvent | undefined
  #parked: number

  constructor(db: ReadModelDatabase, projections: readonly Projection[], policy: PoisonPolicy) {
    this.#db = db
    this.#policy = policy
    this.#apply = eventApplier(db, projections)
    this.#parkedEvents = new ParkedEvents(db)
    this.#moveCheckpoint = db.$client.prepare(
      'UPDATE checkpoint SET position = ?, last_event = ?, last_event_id = ? WHERE owner = ? AND position IS ?',
    )
    db.update(checkpoint).set({ owner: this.#owner }).run()
    const { position, lastEvent } = checkpointOf(db)
    this.#position = position
    this.#lastEvent = lastEvent
    this.#parked = this.#parkedEvents.count()
  }

  /** The checkpoint: undefined at the start of the log. Never decreases. */
  get position(): Position | undefined {
    return this.#position
  }

  /** The last event applied or parked. */
  get lastEvent(): LastEvent | undefined {
    return this.#lastEvent
  }

  /** Number of parked events. */
  get parked(): number {
    return this.#parked
  }

  /**
   * @throws {ProjectorFenced} another writer has taken the file over.
   * @throws {EventsOutOfOrder} an event comes at or before one that was applied.
   * @throws {PoisonEvent} an event cannot be applied and the policy is to throw.
   * @throws {Database.SqliteError} the file cannot be written: disk full, I/O error, corrupt.
   * In every case nothing of the batch is written.
   * @returns the events of the batch that were parked
   */
  write(batch: LogBatch): readonly RecordedEvent[] {
    const lastEvent = lastInOrder(batch.events, this.#lastEvent)
    const position = Math.max(batch.position, lastEvent?.position ?? 0, this.#position ?? 0)
    if (position === this.#position && batch.events.length === 0) return []
    const parked: RecordedEvent[] = []
    const applyOrPark = () => this.#applyOrPark(batch.events, parked)
    try {
      if (this.#parked > 0) this.#commit(position, lastEvent, applyOrPark)
      else this.#commit(position, lastEvent, () => this.#applyAll(batch.events))
    } catch (error) {
      if (!(error instanceof PoisonEvent) || this.#policy === 'throw') throw error
      this.#commit(position, lastEvent, applyOrPark)
    }
    return parked
  }

  /** The first of these events that is parked, and why; undefined where none is. */
  firstParked(events: readonly RecordedEvent[]): { event: RecordedEvent; reason: string } | undefined {
    for (const event of events) {
      const reason = this.#parkedEvents.reasonOf(event)
      if (reason !== undefined) return { event, reason }
    }
    return undefined
  }

  /** Applies what was parked and can be applied now, in log order within each stream. */
  replayParked(): void {
    if (this.#parked === 0) return
    this.#commit(this.#position, this.#lastEvent, () => -this.#parkedEvents.replay((event) => this.#attempt(event)))
  }

  /** `work` returns by how much the number of parked events changes. */
  #commit(position: Position | undefined, lastEvent: LastEvent | undefined, work: () => number): void {
    const transaction = this.#db.$client.transaction(() => {
      failpoint('projector.batch-begun')
      const parked = work()
      const moved = this.#moveCheckpoint.run(
        ...([position ?? null, lastEvent?.position ?? null, lastEvent?.id ?? null] as const),
        ...([this.#owner, this.#position ?? null] as const),
      )
      failpoint('projector.checkpoint-written')
      if (moved.changes === 0) throw new ProjectorFenced(this.#db.$client.name)
      failpoint('projector.before-commit')
      return parked
    })
    this.#parked += transaction.immediate()
    failpoint('projector.after-commit')
    this.#position = position
    this.#lastEvent = lastEvent
  }

  #applyAll(events: readonly RecordedEvent[]): 0 {
    applyAll(events, this.#apply)
    return 0
  }

  /** Adds to `parked` what it parks. */
  #applyOrPark(events: readonly RecordedEvent[], parked: RecordedEvent[]): number {
    for (const event of events) {
      const reason = this.#parkedEvents.holds(event.stream)
        ? 'an earlier event of its stream is parked'
        : this.#attempt(event)?.message
      if (reason === undefined) continue
      this.#parkedEvents.park(event, reason)
      parked.push(event)
    }
    return parked.length
  }

  /** Applies an event wholly, or not at all and says why. */
  #attempt(event: RecordedEvent): Error | undefined {
    let failure: unknown
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      try {
        this.#db.$client.transaction(this.#apply)(event)
        return undefined
      } catch (error) {
        if (isOfTheFile(error)) throw error
        failure = error
      }
    }
    return failure instanceof Error ? failure : new Error(String(failure))
  }
}

/** Another projector has taken the file over, so this one must stop. */
export class ProjectorFenced extends Error {
  override readonly name = 'ProjectorFenced'
  readonly file: string

  constructor(file: string) {
    super(`another projector has taken over ${file}; is a second service running on this data directory?`)
    this.file = file
  }
}
