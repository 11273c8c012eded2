import { blob, index, integer, sqliteTable, text } from 'drizzle-orm/sqlite-core'

/** One row: how far the projector of this file has come, and who that is. */
export const checkpoint = sqliteTable('checkpoint', {
  id: integer().primaryKey(),
  /** Every event at or before it is applied or parked. Null: none is. */
  position: integer(),
  /** Position of the last event applied or parked. The checkpoint may be ahead of it. */
  lastEvent: integer('last_event'),
  /** Its id, by which another log is told from this one. */
  lastEventId: text('last_event_id'),
  /** The projector that may write. Another one that takes the file over makes this one stop. */
  owner: text(),
  schemaVersion: text('schema_version').notNull(),
})

/** Events that could not be applied, and the later events of their streams. */
export const parkedEvents = sqliteTable(
  'parked_events',
  {
    position: integer().primaryKey(),
    stream: text().notNull(),
    number: integer().notNull(),
    type: text().notNull(),
    eventId: text('event_id').notNull(),
    /** The whole event in V8's serialisation, so that it can be applied later without the store. */
    event: blob({ mode: 'buffer' }).notNull(),
    error: text().notNull(),
    parkedAt: text('parked_at').notNull(),
  },
  (table) => [index('parked_events_stream').on(table.stream)],
)
