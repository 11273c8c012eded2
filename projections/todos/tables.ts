import { integer, sqliteTable, text } from 'drizzle-orm/sqlite-core'

export const todos = sqliteTable('todos', {
  /** Log position of the creation: the order of the list, and its cursor. */
  position: integer().primaryKey(),
  id: text().notNull().unique(),
  description: text().notNull(),
  /** ISO 8601 in UTC; null where there is none. */
  reminder: text(),
  completed: integer({ mode: 'boolean' }).notNull(),
  /** Number of the last event of the to-do that is applied here. */
  version: integer().notNull(),
})

/** One row. The number of to-dos is kept, because counting a million rows takes longer than reading a page. */
export const todoCount = sqliteTable('todo_count', {
  id: integer().primaryKey(),
  total: integer().notNull(),
})
