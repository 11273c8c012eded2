import { asc, count, eq, getTableColumns, gt, sql } from 'drizzle-orm'
import type { EventNumber, Position, RecordedEvent } from '../cqrs/event.ts'
import { checkpointOf } from './file.ts'
import type { Projection, ReadModelDatabase, Row } from './projection.ts'
import { parkedEvents } from './tables.ts'

export interface ParkedEvent {
  readonly position: Position
  readonly stream: string
  readonly number: EventNumber
  readonly type: string
  readonly eventId: string
  readonly error: string
  /** ISO 8601. */
  readonly parkedAt: string
}

/**
 * Where an event is in a read model: `applied`, with the rows that show it now; `parked`, because of `error`; `pending`:
 * the projector has not come to it yet; `unused`: no projection has a handler for it.
 */
export type Landing =
  | { readonly kind: 'applied'; readonly rows: readonly Row[] }
  | { readonly kind: 'parked'; readonly error: string }
  | { readonly kind: 'pending' }
  | { readonly kind: 'unused' }

export interface ReadModelExplorer {
  landing(event: Pick<RecordedEvent, 'stream' | 'type' | 'position'>): Landing
  /** Parked events after a position, in log order, at most `limit`. */
  parked(after: Position, limit: number): readonly ParkedEvent[]
  parkedCount(): number
}

/** What people who look into one file want to know of it, prepared once. */
export function prepareExplorer(db: ReadModelDatabase, projections: readonly Projection[]): ReadModelExplorer {
  const readers = projections.map((projection) => ({
    streamPrefixes: projection.streamPrefixes,
    types: new Set(Object.keys(projection.prepare(db))),
    findRow: projection.rowFinder?.(db),
  }))
  const { event: _, ...columns } = getTableColumns(parkedEvents)
  const page = db
    .select(columns)
    .from(parkedEvents)
    .where(gt(parkedEvents.position, sql.placeholder('after')))
    .orderBy(asc(parkedEvents.position))
    .limit(sql.placeholder('limit'))
    .prepare()
  const reason = db
    .select({ error: parkedEvents.error })
    .from(parkedEvents)
    .where(eq(parkedEvents.position, sql.placeholder('position')))
    .prepare()
  const total = db.select({ count: count() }).from(parkedEvents).prepare()

  return {
    landing(event) {
      const { stream, type, position } = event
      const parked = reason.get({ position })
      if (parked) return { kind: 'parked', error: parked.error }
      const users = readers.filter(
        ({ streamPrefixes, types }) => types.has(type) && streamPrefixes.some((prefix) => stream.startsWith(prefix)),
      )
      if (users.length === 0) return { kind: 'unused' }
      if (position > (checkpointOf(db).position ?? -1)) return { kind: 'pending' }
      return { kind: 'applied', rows: users.flatMap(({ findRow }) => findRow?.(event) ?? []) }
    },
    parked: (after, limit) => page.all({ after, limit }),
    parkedCount: () => total.get()?.count ?? 0,
  }
}
