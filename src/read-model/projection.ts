import type Database from 'better-sqlite3'
import type { BetterSQLite3Database } from 'drizzle-orm/better-sqlite3'
import type { RecordedEvent } from '../cqrs/event.ts'

/** A read model file: drizzle's queries, and better-sqlite3 under them as `$client`. */
export type ReadModelDatabase = BetterSQLite3Database & { readonly $client: Database.Database }

/**
 * Tables, and what events do to them. The tables belong to the projection alone, and come from the migrations in
 * `projections/migrations`. They are a pure fold of the log: the same events give the same rows.
 */
export interface Projection {
  /** Lower case, unique among the projections of a read model. */
  readonly name: string
  /** To be raised when the handlers change what they make of an event. Files of another version are built anew. */
  readonly version: number
  /** It sees the events of streams whose name starts with one of these. */
  readonly streamPrefixes: readonly string[]
  prepare(db: ReadModelDatabase): EventHandlers
  /**
   * For people who ask where an event of its streams went: the row that shows it, as the row is now. Undefined where
   * there is none. Prepared once for a file.
   */
  readonly rowFinder?: (db: ReadModelDatabase) => (event: Pick<RecordedEvent, 'stream' | 'position'>) => Row | undefined
  /** @throws {Error} the tables contradict each other. May take as long as reading them all. */
  check(db: ReadModelDatabase): void
}

/** A row of a table, by its columns. */
export interface Row {
  readonly table: string
  readonly columns: Readonly<Record<string, unknown>>
}

/**
 * By event type; a type that is not named is ignored. Handlers run inside the transaction that moves the checkpoint,
 * once per event and in log order. An event whose handler throws is poison: nothing of it is kept, and it is parked.
 */
type EventHandlers = Readonly<Record<string, (event: RecordedEvent) => void>>

/** What to subscribe to for all of them. */
export function streamPrefixesOf(projections: readonly Projection[]): string[] {
  return [...new Set(projections.flatMap(({ streamPrefixes }) => streamPrefixes))]
}
