import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { usersProjection } from '../../projections/users/projection.ts'
import { prepareUserDirectory } from '../../projections/users/queries.ts'
import type { RecordedEvent } from '../../src/cqrs/event.ts'
import { EventsOutOfOrder, PoisonEvent } from '../../src/read-model/apply.ts'
import { checkpointOf, createFile, openFile } from '../../src/read-model/file.ts'
import type { Projection, ReadModelDatabase } from '../../src/read-model/projection.ts'
import { ProjectorFenced, ReadModelWriter } from '../../src/read-model/writer.ts'
import { poison, registered, temporaryFolder } from './fixtures.ts'

function newFile(projection: Projection = usersProjection): ReadModelDatabase {
  const db = createFile(join(temporaryFolder(), '1.sqlite'), [projection])
  onTestFinished(() => {
    db.$client.close()
  })
  return db
}

const writerOf = (db: ReadModelDatabase, projection = usersProjection, policy: 'park' | 'throw' = 'park') =>
  new ReadModelWriter(db, [projection], policy)

const batch = (...events: RecordedEvent[]) => ({ events, position: events.at(-1)?.position ?? 0, caughtUp: true })

const emails = (db: ReadModelDatabase) =>
  prepareUserDirectory(db)
    .page({ limit: 200 })
    .users.map(({ email }) => email)

const parked = (db: ReadModelDatabase) =>
  db.$client.prepare<[], { position: number; error: string }>('SELECT position, error FROM parked_events').all()

/** The users projection, which fails on the events that it is told to fail on. */
function failing(shouldFail: (event: RecordedEvent) => boolean): Projection {
  return {
    ...usersProjection,
    prepare(db) {
      const handlers = usersProjection.prepare(db)
      return {
        UserRegistered(event) {
          handlers['UserRegistered']?.(event)
          if (shouldFail(event)) throw new Error('a bug')
        },
      }
    },
  }
}

test('rows and checkpoint are written together', () => {
  const db = newFile()
  const writer = writerOf(db)
  writer.write(batch(registered(10, 'a@x.org'), registered(20, 'b@x.org')))
  expect(emails(db)).toEqual(['b@x.org', 'a@x.org'])
  expect(checkpointOf(db)).toMatchObject({ position: 20, lastEvent: { position: 20 } })
})

test('no row is kept when the checkpoint cannot be written', () => {
  const db = newFile()
  const writer = writerOf(db)
  writer.write(batch(registered(10, 'a@x.org')))
  db.$client.exec(
    "CREATE TEMP TRIGGER broken BEFORE UPDATE ON main.checkpoint BEGIN SELECT RAISE(ROLLBACK, 'broken'); END",
  )
  expect(() => writer.write(batch(registered(20, 'b@x.org')))).toThrow('broken')
  db.$client.exec('DROP TRIGGER broken')
  expect(emails(db)).toEqual(['a@x.org'])
  expect(checkpointOf(db).position).toBe(10)
  writer.write(batch(registered(20, 'b@x.org')))
  expect(prepareUserDirectory(db).total()).toBe(2)
})

test('a writer whose file was taken over writes nothing and says so', () => {
  const db = newFile()
  const first = writerOf(db)
  first.write(batch(registered(10, 'a@x.org')))
  const other = openFile(db.$client.name, [usersProjection])
  onTestFinished(() => {
    other.$client.close()
  })
  const second = writerOf(other)
  expect(() => first.write(batch(registered(20, 'b@x.org')))).toThrow(ProjectorFenced)
  expect(emails(db)).toEqual(['a@x.org'])
  second.write(batch(registered(20, 'b@x.org')))
  expect(emails(db)).toEqual(['b@x.org', 'a@x.org'])
})

test('a writer that is behind the file writes nothing, even as its owner', () => {
  const db = newFile()
  const writer = writerOf(db)
  writer.write(batch(registered(10, 'a@x.org')))
  db.$client.exec('UPDATE checkpoint SET position = 15')
  expect(() => writer.write(batch(registered(20, 'b@x.org')))).toThrow(ProjectorFenced)
  expect(emails(db)).toEqual(['a@x.org'])
})

test('the checkpoint never moves backwards', () => {
  const db = newFile()
  const writer = writerOf(db)
  writer.write({ events: [registered(10, 'a@x.org')], position: 50, caughtUp: true })
  writer.write({ events: [], position: 30, caughtUp: true })
  expect(writer.position).toBe(50)
  writer.write({ events: [registered(40, 'b@x.org')], position: 40, caughtUp: true })
  expect(checkpointOf(db)).toMatchObject({ position: 50, lastEvent: { position: 40 } })
})

test('an event that comes twice is refused', () => {
  const db = newFile()
  const writer = writerOf(db)
  const event = registered(10, 'a@x.org')
  writer.write(batch(event))
  expect(() => writer.write(batch(event))).toThrow(EventsOutOfOrder)
  expect(() => writer.write(batch(registered(30, 'c@x.org'), registered(20, 'b@x.org')))).toThrow(EventsOutOfOrder)
  expect(prepareUserDirectory(db).total()).toBe(1)
})

test('the checkpoint moves on where there are no events for us', () => {
  const db = newFile()
  const writer = writerOf(db)
  writer.write({ events: [], position: 100_000, caughtUp: false })
  expect(checkpointOf(db)).toEqual({ position: 100_000 })
})

test('a poison event is parked with its error, and its neighbours are applied', () => {
  const db = newFile()
  const writer = writerOf(db)
  writer.write(batch(registered(10, 'a@x.org'), poison(20, 'bad@x.org'), registered(30, 'c@x.org')))
  expect(emails(db)).toEqual(['c@x.org', 'a@x.org'])
  expect(parked(db)).toEqual([{ position: 20, error: expect.stringContaining('is no valid UserRegistered') }])
  expect(writer.parked).toBe(1)
  expect(checkpointOf(db)).toMatchObject({ position: 30, lastEvent: { position: 30 } })
})

test('what a failing handler has written is not kept', () => {
  const projection = failing(({ position }) => position === 20)
  const db = newFile(projection)
  writerOf(db, projection).write(batch(registered(10, 'a@x.org'), registered(20, 'b@x.org')))
  expect(emails(db)).toEqual(['a@x.org'])
  expect(prepareUserDirectory(db).total()).toBe(1)
  expect(prepareUserDirectory(db).page({ limit: 1, q: 'b@x' }).users).toEqual([])
})

test('later events of the stream park behind it, in this batch and in the next; other streams go on', () => {
  const db = newFile()
  const writer = writerOf(db)
  writer.write(batch(poison(10, 'bad@x.org'), registered(20, 'bad@x.org', { number: 2 })))
  writer.write(batch(registered(30, 'bad@x.org', { number: 3 }), registered(40, 'good@x.org')))
  expect(parked(db).map(({ position }) => position)).toEqual([10, 20, 30])
  expect(emails(db)).toEqual(['good@x.org'])
  expect(writerOf(db).parked).toBe(3)
})

test('a foreign event that breaks a constraint is poison', () => {
  const db = newFile()
  const writer = writerOf(db)
  const event = registered(10, 'a@x.org')
  writer.write(batch(event, { ...event, stream: 'user-b@x.org', position: 20 }))
  expect(parked(db)).toEqual([{ position: 20, error: expect.stringContaining('users.id') }])
})

test('an event that fails is tried again before it is parked', () => {
  const fails = vi.fn().mockReturnValueOnce(true).mockReturnValueOnce(true).mockReturnValue(false)
  const projection = failing(fails)
  const db = newFile(projection)
  writerOf(db, projection).write(batch(registered(10, 'a@x.org')))
  expect(parked(db)).toEqual([])
  expect(prepareUserDirectory(db).total()).toBe(1)
})

test('parked events are applied once the code is fixed, each stream in its order', () => {
  const broken = failing(({ stream }) => stream !== 'user-good@x.org')
  const db = newFile(broken)
  writerOf(db, broken).write(
    batch(
      registered(10, 'a@x.org'),
      poison(20, 'bad@x.org'),
      registered(30, 'bad@x.org'),
      registered(40, 'good@x.org'),
    ),
  )
  expect(emails(db)).toEqual(['good@x.org'])
  const writer = writerOf(db)
  writer.replayParked()
  expect(emails(db)).toEqual(['good@x.org', 'a@x.org'])
  expect(parked(db).map(({ position }) => position)).toEqual([20, 30])
  expect(writer.parked).toBe(2)
  writer.write(batch(registered(50, 'a@x.org', { number: 2, type: 'Unknown' })))
  expect(checkpointOf(db)).toMatchObject({ position: 50, lastEvent: { position: 50 } })
})

test('a full disk is no fault of the event: nothing is parked, and the batch can be written later', () => {
  const db = newFile()
  const writer = writerOf(db)
  const pages = db.$client.pragma('page_count', { simple: true })
  db.$client.pragma(`max_page_count = ${pages}`)
  const events = Array.from({ length: 500 }, (_, index) => registered(10 + index, `user-${index}@x.org`))
  expect(() => writer.write(batch(...events))).toThrow(expect.objectContaining({ code: 'SQLITE_FULL' }))
  expect(checkpointOf(db)).toEqual({})
  db.$client.pragma('max_page_count = 1000000')
  writer.write(batch(...events))
  expect(writer.parked).toBe(0)
  expect(prepareUserDirectory(db).total()).toBe(500)
})

test('where the policy is to throw, a poison event ends it and is named', () => {
  const db = newFile()
  const event = poison(20, 'bad@x.org')
  const writer = writerOf(db, usersProjection, 'throw')
  expect(() => writer.write(batch(registered(10, 'a@x.org'), event))).toThrow(
    expect.objectContaining({ constructor: PoisonEvent, event, message: expect.stringContaining('user-bad@x.org') }),
  )
  expect(emails(db)).toEqual([])
})

test('types that are not handled, and streams that are not followed, are ignored', () => {
  const db = newFile()
  const writer = writerOf(db)
  writer.write(
    batch(registered(10, 'a@x.org', { type: 'Other', data: 1 }), { ...poison(20, 'a@x.org'), stream: 'todo-1' }),
  )
  expect(emails(db)).toEqual([])
  expect(writer.parked).toBe(0)
})
