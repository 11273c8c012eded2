import { randomUUID } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import pino from 'pino'
import { ulid } from 'ulid'
import { afterAll, expect, test } from 'vitest'
import { usersProjection } from '../../projections/users/projection.ts'
import { connectEventStore, type EventStore } from '../../src/eventstoredb/event-store.ts'
import { createFile } from '../../src/read-model/file.ts'
import { Generations } from '../../src/read-model/generations.ts'
import { inspect } from '../../src/read-model/inspect.ts'
import { ReadModelNotReady } from '../../src/read-model/read-model.ts'
import { rebuild } from '../../src/read-model/rebuild.ts'
import { eventStoreUrl } from '../support/event-store.ts'
import { ScriptedLog } from '../support/scripted-log.ts'
import { emails, eventually, liveFile, registered, startReadModel, temporaryFolder, total } from './fixtures.ts'

const store: EventStore = connectEventStore(await eventStoreUrl())
afterAll(() => store.close())

/** Users whom no other test sees. */
function category() {
  const prefix = `user-${randomUUID()}-`
  const projections = [{ ...usersProjection, streamPrefixes: [prefix] }]
  async function register(email: string): Promise<number> {
    const data = { id: ulid(), name: 'Somebody', email }
    const event = { id: randomUUID(), type: 'UserRegistered', data, metadata: {} }
    return (await store.append(`${prefix}${email}`, [event], 'new')).position
  }
  return { projections, register }
}

test('a query reflects a command once its position is reached, and names the position that it reflects', async () => {
  const { projections, register } = category()
  const readModel = startReadModel({ dir: temporaryFolder(), log: store, projections })
  for (const email of ['a@x.org', 'b@x.org', 'c@x.org']) {
    const position = await register(email)
    expect(await readModel.reached(position, 5_000)).toBe(true)
    const answer = readModel.query((users) => users.page({ limit: 1 }).users[0]?.email)
    expect(answer.value).toBe(email)
    expect(answer.position).toBeGreaterThanOrEqual(position)
  }
})

test('queries refuse until the log has been replayed', async () => {
  const log = new ScriptedLog()
  log.cut()
  const readModel = startReadModel({ dir: temporaryFolder(), log })
  expect(() => total(readModel)).toThrow(ReadModelNotReady)
  expect(readModel.status().isServing).toBe(false)
  log.restore()
  log.addBatch({ events: [registered(10, 'a@x.org')], position: 10, caughtUp: false })
  await eventually(() => expect(readModel.status()).toMatchObject({ position: 10, isServing: false }))
  expect(() => total(readModel)).toThrow(ReadModelNotReady)
  log.add(registered(20, 'b@x.org'))
  await eventually(() => expect(readModel.status().isServing).toBe(true))
  expect(total(readModel)).toBe(2)
})

test('an empty log is a read model without users', async () => {
  const readModel = startReadModel({ dir: temporaryFolder(), log: new ScriptedLog() })
  await eventually(() => expect(readModel.status().isServing).toBe(true))
  expect(readModel.query((users) => users.page({ limit: 10 }).users).value).toEqual([])
})

test('a file that is behind is served at once, even while the store is away', async () => {
  const dir = temporaryFolder()
  const log = new ScriptedLog().add(registered(10, 'a@x.org'))
  const first = startReadModel({ dir, log })
  expect(await first.reached(10, 5_000)).toBe(true)
  await first.close()
  log.add(registered(20, 'b@x.org')).cut()
  const second = startReadModel({ dir, log })
  expect(emails(second)).toEqual(['a@x.org'])
})

const DAMAGES: Record<string, (dir: string, file: string) => void> = {
  'is missing': (dir, file) => rmSync(join(dir, file)),
  'is no database': (dir, file) => writeFileSync(join(dir, file), 'no database at all '.repeat(1_000)),
  'is empty': (dir, file) => writeFileSync(join(dir, file), ''),
  'has no pointer': (dir) => rmSync(join(dir, 'current')),
  'has a pointer that names nothing': (dir) => writeFileSync(join(dir, 'current'), '../../etc/passwd\n'),
  'is a folder': (dir, file) => {
    rmSync(join(dir, file))
    mkdirSync(join(dir, file, 'lost+found'), { recursive: true })
  },
  'has a pointer that is a folder': (dir) => {
    rmSync(join(dir, 'current'))
    mkdirSync(join(dir, 'current', 'lost+found'), { recursive: true })
  },
}

test.for(Object.entries(DAMAGES))('a file that %s is replaced', async ([_, damage]) => {
  const dir = temporaryFolder()
  const log = new ScriptedLog().add(registered(10, 'a@x.org'))
  const first = startReadModel({ dir, log })
  expect(await first.reached(10, 5_000)).toBe(true)
  await first.close()
  damage(dir, liveFile(dir))
  const second = startReadModel({ dir, log })
  expect(await second.reached(10, 5_000)).toBe(true)
  expect(emails(second)).toEqual(['a@x.org'])
  await second.close()
  expect(files(dir)).toEqual([readFileSync(join(dir, 'current'), 'utf8').trim()])
})

test('a file whose building was killed is not taken for the one that was lost before', async () => {
  const dir = temporaryFolder()
  const log = new ScriptedLog().add(registered(10, 'a@x.org'))
  await rebuild({ log, dir, projections: [usersProjection] })
  const lost = liveFile(dir)
  rmSync(join(dir, lost))
  const generations = new Generations(dir).lock()
  createFile(generations.newFile(), [usersProjection]).$client.close()
  generations.release()
  expect(files(dir)).not.toContain(lost)
  const readModel = startReadModel({ dir, log })
  await eventually(() => expect(emails(readModel)).toEqual(['a@x.org']))
})

test('a rebuild is taken up even if the files before it were removed under the service', async () => {
  const dir = temporaryFolder()
  const log = new ScriptedLog().add(registered(10, 'a@x.org'))
  await rebuild({ log, dir, projections: [usersProjection] })
  const readModel = startReadModel({ dir, log })
  await eventually(() => expect(readModel.status().isServing).toBe(true))
  for (const name of readdirSync(dir)) if (name !== 'lock.sqlite') rmSync(join(dir, name))
  await rebuild({ log, dir, projections: [usersProjection] })
  log.add(registered(20, 'b@x.org'))
  await eventually(() => expect(inspect(dir, [usersProjection], () => undefined).position).toBe(20))
  expect(emails(readModel)).toEqual(['b@x.org', 'a@x.org'])
})

test('a file that is cut and then found corrupt is told of once', async () => {
  const dir = temporaryFolder()
  const log = new ScriptedLog()
  const lines: string[] = []
  const logger = pino({ level: 'warn' }, { write: (line) => void lines.push(line) })
  let position = 0
  const addMore = (caughtUp: boolean) => {
    const events = Array.from({ length: 100 }, () => registered(++position, `${position}@x.org`))
    log.addBatch({ events, position, caughtUp })
    return position
  }
  const first = startReadModel({ dir, log })
  expect(await first.reached(addMore(true), 5_000)).toBe(true)
  await first.close()
  const readModel = startReadModel({ dir, log, logger })
  // What takes its place does not catch up with that.
  expect(await readModel.reached(addMore(false), 5_000)).toBe(true)
  truncateSync(join(dir, liveFile(dir)), 4_096)
  await eventually(() => expect(lines).toHaveLength(1))
  await eventually(() => {
    addMore(false)
    expect(readModel.status().isServing).toBe(false)
  })
  expect(lines).toEqual([expect.stringMatching(/was removed, replaced or cut/)])
})

test('a file of another schema version is not served but replaced', async () => {
  const dir = temporaryFolder()
  const log = new ScriptedLog().add(registered(10, 'a@x.org'))
  const old = startReadModel({ dir, log, projections: [{ ...usersProjection, version: 0 }] })
  expect(await old.reached(10, 5_000)).toBe(true)
  const replaced = liveFile(dir)
  await old.close()
  log.cut()
  const readModel = startReadModel({ dir, log })
  expect(() => total(readModel)).toThrow(ReadModelNotReady)
  log.restore()
  await eventually(() => expect(emails(readModel)).toEqual(['a@x.org']))
  expect(files(dir)).toEqual([liveFile(dir)])
  expect(liveFile(dir)).not.toBe(replaced)
})

test('what a crash has left is removed at the next start', async () => {
  const dir = temporaryFolder()
  const log = new ScriptedLog().add(registered(10, 'a@x.org'))
  const first = startReadModel({ dir, log })
  expect(await first.reached(10, 5_000)).toBe(true)
  await first.close()
  const live = liveFile(dir)
  for (const orphan of ['7.sqlite', '7.sqlite-wal', '7.sqlite-shm']) writeFileSync(join(dir, orphan), 'half a file')
  const second = startReadModel({ dir, log })
  expect(emails(second)).toEqual(['a@x.org'])
  await second.close()
  expect(files(dir)).toEqual([live])
})

test('a file that is found corrupt while it is served is replaced', async () => {
  const dir = temporaryFolder()
  const log = new ScriptedLog().add(
    ...Array.from({ length: 500 }, (_, index) => registered(10 + index, `${index}@x.org`)),
  )
  const first = startReadModel({ dir, log })
  expect(await first.reached(509, 5_000)).toBe(true)
  await first.close()
  const live = join(dir, liveFile(dir))
  const bytes = readFileSync(live)
  // The first page is sound, and with it all that is read at the start.
  const broken = Buffer.concat([bytes.subarray(0, 4_096 * 8), Buffer.alloc(bytes.length - 4_096 * 8, 'x')])
  writeFileSync(live, broken)
  const second = startReadModel({ dir, log })
  await eventually(() =>
    expect(second.query((users) => users.page({ limit: 200, q: '@x.org' })).value.users.length).toBe(200),
  )
  await eventually(() => expect(total(second)).toBe(500))
})

test('a rebuilt file is taken up while queries go on: none fails, none goes back, the old file goes', async () => {
  const { projections, register } = category()
  const dir = temporaryFolder()
  const readModel = startReadModel({ dir, log: store, projections })
  let written = await register('0@x.org')
  expect(await readModel.reached(written, 5_000)).toBe(true)

  let isDone = false
  const seen: { value: number; position: number }[] = []
  const writing = (async () => {
    for (let count = 1; !isDone; count++) written = await register(`${count}@x.org`)
  })()
  const querying = (async () => {
    while (!isDone) {
      seen.push(readModel.query((users) => users.total()))
      await new Promise((resolve) => setImmediate(resolve))
    }
  })()
  for (let round = 0; round < 2; round++) {
    const { file } = await rebuild({ log: store, dir, projections })
    await eventually(() => expect(files(dir)).toEqual([basename(file)]))
  }
  isDone = true
  await Promise.all([writing, querying])

  for (const [index, now] of seen.entries()) {
    const before = seen[index - 1] ?? { value: 1, position: 0 }
    expect(now.value).toBeGreaterThanOrEqual(before.value)
    expect(now.position).toBeGreaterThanOrEqual(before.position)
  }
  expect(await readModel.reached(written, 5_000)).toBe(true)
  expect(readModel.status()).toMatchObject({ state: 'live', isServing: true })
})

test('where a new file cannot be swapped in, that is tried again until it can', async () => {
  const dir = temporaryFolder()
  mkdirSync(join(dir, 'current.new'))
  const readModel = startReadModel({ dir, log: new ScriptedLog().add(registered(10, 'a@x.org')) })
  await eventually(() => expect(readModel.status()).toMatchObject({ state: 'live', isServing: false }))
  rmSync(join(dir, 'current.new'), { recursive: true })
  await eventually(() => expect(emails(readModel)).toEqual(['a@x.org']))
})

test('waiting for a position ends at its time, with its signal, and when the read model is closed', async () => {
  const readModel = startReadModel({ dir: temporaryFolder(), log: new ScriptedLog() })
  const never = 1_000_000
  expect(await readModel.reached(never, 20)).toBe(false)
  expect(await readModel.reached(never, 60_000, AbortSignal.timeout(20))).toBe(false)
  expect(await readModel.reached(never, 60_000, AbortSignal.abort())).toBe(false)
  const waiting = readModel.reached(never, 60_000)
  await readModel.close()
  expect(await waiting).toBe(false)
  expect(await readModel.reached(never, 60_000)).toBe(false)
})

function files(dir: string): string[] {
  return readdirSync(dir).filter((name) => /^\d/.test(name) && !/-(wal|shm)$/.test(name))
}
