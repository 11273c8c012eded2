import { desc, lt, sql } from 'drizzle-orm'
import type { ReadModelDatabase } from '../../src/read-model/projection.ts'
import { todoCount, todos } from './tables.ts'

/** The queries of the todos projection over one file, prepared once. */
export function prepareTodoList(db: ReadModelDatabase) {
  const older = db
    .select()
    .from(todos)
    .where(lt(todos.position, sql.placeholder('before')))
    .orderBy(desc(todos.position))
    .limit(sql.placeholder('limit'))
    .prepare()
  const total = db.select({ total: todoCount.total }).from(todoCount).prepare()

  return {
    /** The number of to-dos in all. Costs the same for any number. */
    total: () => total.get()?.total ?? 0,
    /** The `first` to-dos older than the position `before`, newest first; the newest of all where there is none. */
    page({ first, before = Number.MAX_SAFE_INTEGER }: { readonly first: number; readonly before?: number }) {
      const rows = older.all({ before, limit: first + 1 })
      return { todos: rows.slice(0, first), hasNext: rows.length > first }
    },
  }
}
