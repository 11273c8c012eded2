import { integer, sqliteTable, text } from 'drizzle-orm/sqlite-core'

export const users = sqliteTable('users', {
  /** Log position of the registration: the order of the list, and its cursor. */
  position: integer().primaryKey(),
  id: text().notNull().unique(),
  name: text().notNull(),
  /** As the user typed it. */
  email: text().notNull(),
  canonicalEmail: text('canonical_email').notNull().unique(),
  /** When the store recorded the registration, ISO 8601. */
  createdAt: text('created_at').notNull(),
})

/** One row. The number of users is kept, because counting a million rows takes longer than reading a page. */
export const userCount = sqliteTable('user_count', {
  id: integer().primaryKey(),
  total: integer().notNull(),
})
