import { idOf, streamPrefix } from '../../src/cqrs/aggregate.ts'
import type { Projection } from '../../src/read-model/projection.ts'
import { user } from '../../src/users/user.ts'
import { foldCase } from './search.ts'

/** Who is registered: the list, newest first, the search in it, and the number of users. */
export const usersProjection: Projection = {
  name: 'users',
  version: 1,
  streamPrefixes: [streamPrefix(user)],
  prepare({ $client }) {
    // Not drizzle's statements: they take twice as long, and a rebuild runs these for every event. Positions are cast
    // because better-sqlite3 binds numbers above 2^31 as REAL, which FTS5 does not take for a rowid.
    const insertUser = $client.prepare<[number, string, string, string, string, string]>(
      'INSERT INTO users (position, id, name, email, canonical_email, created_at) VALUES (?, ?, ?, ?, ?, ?)',
    )
    const insertText = $client.prepare<[number, string, string]>(
      'INSERT INTO users_search (rowid, name, email) VALUES (CAST(? AS INTEGER), ?, ?)',
    )
    const countUser = $client.prepare<[]>('UPDATE user_count SET total = total + 1 WHERE id = 1')
    return {
      UserRegistered(event) {
        const { id, name, email } = user.codec.decode(event).data
        const canonicalEmail = idOf(user, event.stream)
        insertUser.run(event.position, id, name, email, canonicalEmail, event.created.toISOString())
        insertText.run(event.position, foldCase(name), foldCase(email))
        countUser.run()
      },
    }
  },
  rowFinder({ $client }) {
    const find = $client.prepare<[number], Record<string, unknown>>('SELECT * FROM users WHERE position = ?')
    return ({ position }) => {
      const columns = find.get(position)
      return columns && { table: 'users', columns }
    }
  },
  check({ $client }) {
    const sql = 'SELECT total, (SELECT count(*) FROM users) AS counted FROM user_count'
    const { total, counted } = $client.prepare<[], { total: number; counted: number }>(sql).get() ?? {}
    if (total === undefined || total !== counted)
      throw new Error(`user_count is ${total}, but users has ${counted} rows`)
  },
}
