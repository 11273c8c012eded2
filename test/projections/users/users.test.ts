import { join } from 'node:path'
import { drizzle } from 'drizzle-orm/better-sqlite3'
import fc from 'fast-check'
import { expect, onTestFinished, test } from 'vitest'
import { usersProjection } from '../../../projections/users/projection.ts'
import { prepareUserDirectory, type UserDirectory, type UserRow } from '../../../projections/users/queries.ts'
import { foldCase } from '../../../projections/users/search.ts'
import type { RecordedEvent } from '../../../src/cqrs/event.ts'
import { createFile } from '../../../src/read-model/file.ts'
import type { ReadModelDatabase } from '../../../src/read-model/projection.ts'
import { ReadModelWriter } from '../../../src/read-model/writer.ts'
import { registered, temporaryFolder } from '../../read-model/fixtures.ts'

function project(...events: RecordedEvent[]): { db: ReadModelDatabase; users: UserDirectory } {
  const db = createFile(join(temporaryFolder(), '1.sqlite'), [usersProjection])
  onTestFinished(() => {
    db.$client.close()
  })
  const position = events.at(-1)?.position ?? 0
  new ReadModelWriter(db, [usersProjection], 'throw').write({ events, position, caughtUp: true })
  return { db, users: prepareUserDirectory(db) }
}

const named = (position: number, name: string, email = `${position}@x.org`) =>
  registered(position, email, { data: { id: `${position}`.padStart(26, '0'), name, email } })

const positions = (rows: readonly UserRow[]) => rows.map(({ position }) => position)

test('a registered user is found by id and by canonical email, and shown as it was typed', () => {
  const { users } = project(
    registered(10, 'Ada@Example.org', {
      data: { id: '01ARZ3NDEKTSV4RRFFQ69G5FAV', name: 'Ada', email: 'Ada@Example.org' },
    }),
  )
  const ada = {
    ...{ position: 10, id: '01ARZ3NDEKTSV4RRFFQ69G5FAV', name: 'Ada', email: 'Ada@Example.org' },
    createdAt: '2026-01-02T03:04:05.678Z',
  }
  expect(users.byId('01ARZ3NDEKTSV4RRFFQ69G5FAV')).toEqual(ada)
  expect(users.byEmail('ada@example.org')).toEqual(ada)
  expect(users.page({ limit: 10 })).toEqual({ users: [ada], hasNext: false, hasPrev: false })
  expect(users.byId('01ARZ3NDEKTSV4RRFFQ69G5FAW')).toBeUndefined()
  expect(users.byEmail('Ada@Example.org')).toBeUndefined()
  expect(users.total()).toBe(1)
})

test('pages lead from the newest to the oldest and back', () => {
  const { users } = project(...[10, 20, 30, 40, 50].map((position) => named(position, 'Somebody')))
  const first = users.page({ limit: 2 })
  expect([positions(first.users), first.hasPrev, first.hasNext]).toEqual([[50, 40], false, true])
  const second = users.page({ limit: 2, before: 40 })
  expect([positions(second.users), second.hasPrev, second.hasNext]).toEqual([[30, 20], true, true])
  const last = users.page({ limit: 2, before: 20 })
  expect([positions(last.users), last.hasPrev, last.hasNext]).toEqual([[10], true, false])
  const back = users.page({ limit: 2, after: 10 })
  expect([positions(back.users), back.hasPrev, back.hasNext]).toEqual([[30, 20], true, true])
  const front = users.page({ limit: 2, after: 30 })
  expect([positions(front.users), front.hasPrev, front.hasNext]).toEqual([[50, 40], false, true])
})

test('a page beyond either end is empty and leads back', () => {
  const { users } = project(named(10, 'Somebody'), named(20, 'Somebody'))
  expect(users.page({ limit: 2, before: 10 })).toEqual({ users: [], hasPrev: true, hasNext: false })
  expect(users.page({ limit: 2, after: 20 })).toEqual({ users: [], hasPrev: false, hasNext: true })
})

test('positions may be larger than 32 bits', () => {
  const far = 2 ** 52
  const { users } = project(named(far + 1, 'Ada'), named(far + 2, 'Adam'), named(far + 3, 'Adelheid'))
  expect(positions(users.page({ limit: 1, before: far + 3, q: '@x.org' }).users)).toEqual([far + 2])
  expect(positions(users.page({ limit: 1, after: far + 1, q: '@x.org' }).users)).toEqual([far + 2])
  expect(positions(users.page({ limit: 3 }).users)).toEqual([far + 3, far + 2, far + 1])
})

test.for<[string, string]>([
  ['lov', 'Ada Lovelace'],
  ['LOVELACE', 'Ada Lovelace'],
  ['müller', 'Jürgen MÜLLER'],
  ['mu\u0308ller', 'Jürgen Müller'],
  ['STRASSE', 'Anna Straße'],
  ['straße', 'Anna STRASSE'],
  ['παπαδόπουλος', 'ΠΑΠΑΔΌΠΟΥΛΟΣ'],
  ['ΛΟΣ', 'Παπαδόπουλος'],
  ['иван', 'ИВАН'],
  ['"or"', 'x "OR" y'],
  ['a*b', 'xA*By'],
  ["o'n", "Conan O'Neill"],
  ['name:x', 'NAME:X'],
  ['(a) and -b', '(A) AND -B'],
  ['日本語', 'これは日本語です'],
  ['👩‍👩‍👧 x', 'hi 👩‍👩‍👧 X'],
  ['\\_%', 'a\\_%b'],
])('a search for %s finds %s', ([q, name]) => {
  const { users } = project(named(10, name), named(20, 'nobody', 'nobody@x.org'))
  expect(positions(users.page({ limit: 10, q }).users)).toEqual([10])
})

test('a search finds parts of emails, but not what begins in a name and ends in an email', () => {
  const { users } = project(named(10, 'abc', 'def@x.org'))
  expect(positions(users.page({ limit: 10, q: 'EF@X' }).users)).toEqual([10])
  expect(positions(users.page({ limit: 10, q: 'bcd' }).users)).toEqual([])
})

test.for(['', 'ab', '\0\0\0', 'a\0bc', '"""'])('a search for %j finds nothing and does no harm', (q) => {
  const { users } = project(named(10, 'abc'))
  expect(users.page({ limit: 10, q })).toEqual({ users: [], hasNext: false, hasPrev: false })
})

test('whatever the names and the text, a search pages through what a plain comparison finds', () => {
  const text = fc.string({ unit: fc.constantFrom(...'abAB"\'*- ßẞSüÜσςΣİiIé'), minLength: 3, maxLength: 8 })
  fc.assert(
    fc.property(fc.array(text, { maxLength: 12 }), text, fc.integer({ min: 1, max: 4 }), (names, source, limit) => {
      const { users } = project(...names.map((name, index) => named((index + 1) * 10, name, `${index}@.`)))
      const q = source.slice(0, 3)
      const expected = names
        .flatMap((name, index) => (foldCase(name).includes(foldCase(q)) ? [(index + 1) * 10] : []))
        .reverse()
      expect(pageThrough(users, { limit, q })).toEqual(expected)
    }),
    { numRuns: 60 },
  )
})

function pageThrough(users: UserDirectory, request: { limit: number; q: string }): number[] {
  const found: number[] = []
  for (let before: number | undefined; ; ) {
    const page = users.page({ ...request, ...(before !== undefined && { before }) })
    found.push(...positions(page.users))
    before = found.at(-1)
    if (!page.hasNext || before === undefined) return found
  }
}

test('no query reads more than it answers: each follows an index and sorts nothing', () => {
  const { db } = project(named(10, 'Somebody'), named(20, 'Somebody'))
  const statements: [string, unknown[]][] = []
  const logger = { logQuery: (sql: string, params: unknown[]) => statements.push([sql, params]) }
  const users = prepareUserDirectory(drizzle({ client: db.$client, logger }))
  users.total()
  users.byId('x')
  users.byEmail('x')
  for (const request of [{ before: 20 }, { after: 10 }, { before: 20, q: 'some' }, { after: 10, q: 'some' }]) {
    expect(users.page({ limit: 1, ...request }).users).toHaveLength(1)
  }
  expect(statements.length).toBeGreaterThanOrEqual(11)
  for (const [sql, params] of statements) {
    const plan = db.$client.prepare<unknown[], { detail: string }>(`EXPLAIN QUERY PLAN ${sql}`).all(...params)
    for (const { detail } of plan) {
      expect(detail).toMatch(/^SEARCH users |^SCAN users_search VIRTUAL TABLE INDEX \d+:M|^SCAN user_count$/)
    }
  }
})

test('the count is checked against the rows', () => {
  const { db } = project(named(10, 'Somebody'))
  usersProjection.check(db)
  db.$client.exec('UPDATE user_count SET total = 2')
  expect(() => usersProjection.check(db)).toThrow('user_count is 2, but users has 1 rows')
})
