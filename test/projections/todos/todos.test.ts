import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { drizzle } from 'drizzle-orm/better-sqlite3'
import fc from 'fast-check'
import { expect, onTestFinished, test } from 'vitest'
import { todosProjection } from '../../../projections/todos/projection.ts'
import { prepareTodoList } from '../../../projections/todos/queries.ts'
import { applyAll } from '../../../src/cqrs/aggregate.ts'
import type { RecordedEvent } from '../../../src/cqrs/event.ts'
import { arbitraryEvents } from '../../../src/cqrs/testing/arbitraries.ts'
import { createFile } from '../../../src/read-model/file.ts'
import { ReadModelWriter } from '../../../src/read-model/writer.ts'
import { type TodoEvent, todo } from '../../../src/todos/todo.ts'
import { temporaryFolder } from '../../read-model/fixtures.ts'

/** Each event with the id of its to-do, in the order of the log, at the positions 10, 20, 30, … */
function project(...events: readonly (readonly [id: string, event: TodoEvent])[]) {
  const numbers = new Map<string, number>()
  const recorded = events.map(([id, { type, data }], index): RecordedEvent => {
    const number = (numbers.get(id) ?? 0) + 1
    numbers.set(id, number)
    const place = { id: randomUUID(), stream: `todo-${id}`, number, position: (index + 1) * 10 }
    return { ...place, type, data, metadata: {}, created: new Date() }
  })
  const db = createFile(join(temporaryFolder(), '1.sqlite'), [todosProjection])
  onTestFinished(() => {
    db.$client.close()
  })
  const batch = { events: recorded, position: events.length * 10, caughtUp: true }
  new ReadModelWriter(db, [todosProjection], 'throw').write(batch)
  return { db, list: prepareTodoList(db) }
}

const created = (description: string): TodoEvent => ({ type: 'todo_created', data: { description } })
const reminded = (reminder: string | null): TodoEvent => ({ type: 'todo_reminder_updated', data: { reminder } })
const completed: TodoEvent = { type: 'todo_completed', data: {} }
const uncompleted: TodoEvent = { type: 'todo_uncompleted', data: {} }

test('a to-do is listed as its events leave it, with its version', () => {
  const { list } = project(
    ['milk', created('Buy milk')],
    ['bread', created('Buy bread')],
    ['milk', completed],
    ['bread', reminded('2026-01-02T03:04:05.678Z')],
    ['milk', { type: 'todo_description_updated', data: { description: 'Buy oat milk' } }],
    ['bread', completed],
    ['bread', uncompleted],
  )
  expect(list.page({ first: 10 })).toEqual({
    todos: [
      {
        ...{ position: 20, id: 'bread', description: 'Buy bread', completed: false, version: 4 },
        reminder: '2026-01-02T03:04:05.678Z',
      },
      { position: 10, id: 'milk', description: 'Buy oat milk', reminder: null, completed: true, version: 3 },
    ],
    hasNext: false,
  })
  expect(list.total()).toBe(2)
})

test('pages lead from the newest to the oldest', () => {
  const { list } = project(...['a', 'b', 'c', 'd', 'e'].map((id) => [id, created(id)] as const))
  const ids = (page: ReturnType<typeof list.page>) => [page.todos.map(({ id }) => id).join(''), page.hasNext]
  expect(ids(list.page({ first: 2 }))).toEqual(['ed', true])
  expect(ids(list.page({ first: 2, before: 40 }))).toEqual(['cb', true])
  expect(ids(list.page({ first: 2, before: 20 }))).toEqual(['a', false])
  expect(ids(list.page({ first: 2, before: 10 }))).toEqual(['', false])
  expect(ids(list.page({ first: 5 }))).toEqual(['edcba', false])
})

test('an empty list is a page too', () => {
  const { list } = project()
  expect([list.total(), list.page({ first: 1 })]).toEqual([0, { todos: [], hasNext: false }])
})

test('whatever the events, the list shows what the aggregate folds to', () => {
  const events = arbitraryEvents(todo, {}, { maxLength: 12 })
  fc.assert(
    fc.property(events, events, (ofOne, ofOther) => {
      const { db, list } = project(
        ...ofOne.map((event) => ['one', event] as const),
        ...ofOther.map((event) => ['other', event] as const),
      )
      const expected = [
        ['other', ofOther],
        ['one', ofOne],
      ] as const
      const shown = list.page({ first: 2 }).todos.map(({ position: _, ...row }) => row)
      expect(shown).toEqual(
        expected.flatMap(([id, events]) => {
          const { created, ...state } = applyAll(todo, todo.initial, events)
          return created ? [{ id, ...state, version: events.length }] : []
        }),
      )
      expect(list.total()).toBe(shown.length)
      todosProjection.check(db)
    }),
    { numRuns: 50 },
  )
})

test('no query reads more than it answers: each follows an index and sorts nothing', () => {
  const { db } = project(['a', created('a')], ['b', created('b')])
  const statements: [string, unknown[]][] = []
  const logger = { logQuery: (sql: string, params: unknown[]) => statements.push([sql, params]) }
  const list = prepareTodoList(drizzle({ client: db.$client, logger }))
  list.total()
  list.page({ first: 1 })
  list.page({ first: 1, before: 20 })
  expect(statements).toHaveLength(3)
  for (const [sql, params] of statements) {
    const plan = db.$client.prepare<unknown[], { detail: string }>(`EXPLAIN QUERY PLAN ${sql}`).all(...params)
    for (const { detail } of plan) expect(detail).toMatch(/^SEARCH todos USING INTEGER PRIMARY KEY|^SCAN todo_count$/)
  }
})

test('the count is checked against the rows', () => {
  const { db } = project(['a', created('a')])
  todosProjection.check(db)
  db.$client.exec('UPDATE todo_count SET total = 2')
  expect(() => todosProjection.check(db)).toThrow('todo_count is 2, but todos has 1 rows')
})
