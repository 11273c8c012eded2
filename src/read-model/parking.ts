import { deserialize, serialize } from 'node:v8'
import { asc, count, eq, sql } from 'drizzle-orm'
import type { Position, RecordedEvent } from '../cqrs/event.ts'
import type { ReadModelDatabase } from './projection.ts'
import { parkedEvents } from './tables.ts'

/** The events of a file that could not be applied, and the later events of their streams, in log order. */
export class ParkedEvents {
  readonly #db: ReadModelDatabase
  readonly #ofStream: { get(values: { stream: string }): { position: Position } | undefined }

  constructor(db: ReadModelDatabase) {
    this.#db = db
    this.#ofStream = db
      .select({ position: parkedEvents.position })
      .from(parkedEvents)
      .where(eq(parkedEvents.stream, sql.placeholder('stream')))
      .limit(1)
      .prepare()
  }

  count(): number {
    return this.#db.select({ count: count() }).from(parkedEvents).get()?.count ?? 0
  }

  holds(stream: string): boolean {
    return this.#ofStream.get({ stream }) !== undefined
  }

  /** Why an event is parked; undefined where it is not. */
  reasonOf({ position }: RecordedEvent): string | undefined {
    const row = this.#db
      .select({ error: parkedEvents.error })
      .from(parkedEvents)
      .where(eq(parkedEvents.position, position))
    return row.get()?.error
  }

  park(event: RecordedEvent, reason: string): void {
    const { position, stream, number, type, id } = event
    this.#db
      .insert(parkedEvents)
      .values({
        ...{ position, stream, number, type },
        eventId: id,
        event: serialize(event),
        error: reason,
        parkedAt: new Date().toISOString(),
      })
      .run()
  }

  /**
   * Gives each event to `attempt`, in log order, and lets go of those for which it returns nothing. After an event
   * that fails again, the rest of its stream is left. Returns how many it let go of.
   */
  replay(attempt: (event: RecordedEvent) => Error | undefined): number {
    let applied = 0
    const failing = new Set<string>()
    const positions = this.#db
      .select({ position: parkedEvents.position, stream: parkedEvents.stream })
      .from(parkedEvents)
    for (const { position, stream } of positions.orderBy(asc(parkedEvents.position)).all()) {
      if (failing.has(stream)) continue
      const isThis = eq(parkedEvents.position, position)
      const row = this.#db.select({ event: parkedEvents.event }).from(parkedEvents).where(isThis).get()
      const failure = row && attempt(deserialize(row.event))
      if (failure) failing.add(stream)
      else applied += this.#db.delete(parkedEvents).where(isThis).run().changes
    }
    return applied
  }
}
