import { asc, desc, eq, gt, lt, sql } from 'drizzle-orm'
import type { ReadModelDatabase } from '../../src/read-model/projection.ts'
import { searchExpression } from './search.ts'
import { userCount, users } from './tables.ts'

export interface UserRow {
  /** Log position of the registration: newer users have greater ones. */
  readonly position: number
  readonly id: string
  readonly name: string
  /** As the user typed it. */
  readonly email: string
  /** ISO 8601. */
  readonly createdAt: string
}

interface PageRequest {
  /** Most users on the page. */
  readonly limit: number
  /** Only users older than this position: the next page. Not together with `after`. */
  readonly before?: number
  /** Only users newer than this position, and those nearest to it: the previous page. */
  readonly after?: number
  /** Only users with this text in their name or email, whatever its case. Finds nothing below three characters. */
  readonly q?: string
}

interface UserPage {
  /** Newest first. */
  readonly users: UserRow[]
  /** Whether there are older ones. */
  readonly hasNext: boolean
  /** Whether there are newer ones. */
  readonly hasPrev: boolean
}

export interface UserDirectory {
  /** The number of users in all. Costs the same for any number. */
  total(): number
  page(request: PageRequest): UserPage
  byEmail(canonicalEmail: string): UserRow | undefined
  byId(id: string): UserRow | undefined
}

/** The queries of the users projection over one file, prepared once. */
export function prepareUserDirectory(db: ReadModelDatabase): UserDirectory {
  const row = {
    position: users.position,
    id: users.id,
    name: users.name,
    email: users.email,
    createdAt: users.createdAt,
  }
  const select = () => db.select(row).from(users)
  const bound = sql.placeholder('position')
  const limit = sql.placeholder('limit')
  const all: PageQueries = {
    older: select().where(lt(users.position, bound)).orderBy(desc(users.position)).limit(limit).prepare(),
    newer: select().where(gt(users.position, bound)).orderBy(asc(users.position)).limit(limit).prepare(),
  }
  // FTS5 takes a bound on rowid only as an INTEGER, and better-sqlite3 binds numbers above 2^31 as REAL.
  const rowid = sql`users_search.rowid`
  const exactBound = sql`CAST(${bound} AS INTEGER)`
  const matches = (side: '<' | '>') =>
    sql`users_search MATCH ${sql.placeholder('text')} AND ${rowid} ${sql.raw(side)} ${exactBound}`
  const searched = () => select().innerJoin(sql`users_search`, eq(users.position, rowid))
  const found: PageQueries = {
    older: searched().where(matches('<')).orderBy(desc(rowid)).limit(limit).prepare(),
    newer: searched().where(matches('>')).orderBy(asc(rowid)).limit(limit).prepare(),
  }
  const total = db.select({ total: userCount.total }).from(userCount).prepare()
  const byEmail = select()
    .where(eq(users.canonicalEmail, sql.placeholder('canonicalEmail')))
    .prepare()
  const byId = select()
    .where(eq(users.id, sql.placeholder('id')))
    .prepare()

  return {
    total: () => total.get()?.total ?? 0,
    page({ limit, before, after, q }) {
      const text = q === undefined ? undefined : searchExpression(q)
      if (q !== undefined && text === undefined) return { users: [], hasNext: false, hasPrev: false }
      const queries = text === undefined ? all : found
      const read = (side: keyof PageQueries, position: number, limit: number) =>
        queries[side].all({ position, limit, text })
      const isThere = (side: keyof PageQueries, position: number) => read(side, position, 1).length > 0

      if (after !== undefined) {
        const newer = read('newer', after, limit + 1)
        const rows = newer.slice(0, limit).reverse()
        return {
          users: rows,
          hasNext: isThere('older', rows.at(-1)?.position ?? after + 1),
          hasPrev: newer.length > limit,
        }
      }
      const older = read('older', before ?? Number.MAX_SAFE_INTEGER, limit + 1)
      const rows = older.slice(0, limit)
      const hasPrev = before !== undefined && isThere('newer', rows[0]?.position ?? before - 1)
      return { users: rows, hasNext: older.length > limit, hasPrev }
    },
    byEmail: (canonicalEmail) => byEmail.get({ canonicalEmail }),
    byId: (id) => byId.get({ id }),
  }
}

interface PageQueries {
  /** Newest first. */
  readonly older: PageQuery
  /** Oldest first. */
  readonly newer: PageQuery
}

interface PageQuery {
  all(values: { position: number; limit: number; text: string | undefined }): UserRow[]
}
