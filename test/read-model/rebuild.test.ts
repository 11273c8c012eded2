import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ulid } from 'ulid'
import { afterAll, expect, test } from 'vitest'
import { usersProjection } from '../../projections/users/projection.ts'
import { prepareUserDirectory } from '../../projections/users/queries.ts'
import { connectEventStore } from '../../src/eventstoredb/event-store.ts'
import { PoisonEvent } from '../../src/read-model/apply.ts'
import { checkpointOf, openFile } from '../../src/read-model/file.ts'
import { Generations, RebuildInProgress } from '../../src/read-model/generations.ts'
import { inspect } from '../../src/read-model/inspect.ts'
import { InvalidRebuild, rebuild } from '../../src/read-model/rebuild.ts'
import type { ReplayProgress } from '../../src/read-model/replay.ts'
import { verify } from '../../src/read-model/verify.ts'
import { eventStoreUrl } from '../support/event-store.ts'
import { ScriptedLog } from '../support/scripted-log.ts'
import { emails, eventually, liveFile, poison, registered, startReadModel, temporaryFolder } from './fixtures.ts'

const projections = [usersProjection]

const registrations = (count: number) =>
  Array.from({ length: count }, (_, index) => registered((index + 1) * 10, `user-${index}@x.org`))

const userCount = (dir: string) => inspect(dir, projections, (db) => prepareUserDirectory(db).total())

/** What is in the folder beside the lock. */
const contents = (dir: string) => readdirSync(dir).filter((name) => !name.startsWith('lock'))

test('replays a real log into a file that equals the one that was kept live', async () => {
  const store = connectEventStore(await eventStoreUrl())
  afterAll(() => store.close())
  const prefix = `user-${randomUUID()}-`
  const own = [{ ...usersProjection, streamPrefixes: [prefix] }]
  for (let count = 0; count < 200; count++) {
    const data = { id: ulid(), name: `Name ${count}`, email: `${count}@x.org` }
    await store.append(`${prefix}${count}`, [{ id: randomUUID(), type: 'UserRegistered', data, metadata: {} }], 'new')
  }
  const dir = temporaryFolder()
  const readModel = startReadModel({ dir, log: store, projections: own })
  await eventually(() => expect(readModel.status().isServing).toBe(true))
  await readModel.close()
  expect(await verify({ log: store, dir, projections: own })).toMatchObject({ events: 200, differenceCount: 0 })
  expect(await rebuild({ log: store, dir, projections: own })).toMatchObject({ events: 200 })
  expect(await verify({ log: store, dir, projections: own })).toMatchObject({ events: 200, differenceCount: 0 })
})

test('leaves the live file and the pointer to it, and nothing else', async () => {
  const dir = temporaryFolder()
  const log = new ScriptedLog().add(...registrations(3))
  for (let round = 0; round < 2; round++) {
    const rebuilt = await rebuild({ log, dir, projections })
    expect(rebuilt).toEqual({ file: join(dir, liveFile(dir)), events: 3, position: 30 })
    expect(contents(dir)).toEqual([liveFile(dir), 'current'])
  }
  expect(userCount(dir)).toMatchObject({ position: 30, parkedCount: 0, value: 3 })
})

test('reports how far it is', async () => {
  const log = new ScriptedLog().add(...registrations(3))
  const reports: ReplayProgress[] = []
  await rebuild({ log, dir: temporaryFolder(), projections, onProgress: (progress) => reports.push(progress) })
  expect(reports.at(-1)).toMatchObject({ events: 3, position: 30, end: 30, fraction: 1 })
})

test('an empty log gives an empty read model', async () => {
  const dir = temporaryFolder()
  expect(await rebuild({ log: new ScriptedLog(), dir, projections })).toMatchObject({ events: 0, position: 0 })
  expect(userCount(dir)).toMatchObject({ value: 0 })
})

test('a second one is refused at once', async () => {
  const dir = temporaryFolder()
  const log = new ScriptedLog().addBatch({ events: registrations(1), position: 10, caughtUp: false })
  const first = rebuild({ log, dir, projections })
  await expect(rebuild({ log, dir, projections })).rejects.toThrow(RebuildInProgress)
  log.add(registered(20, 'last@x.org'))
  expect(await first).toMatchObject({ events: 2 })
})

test('a poison event ends it and is named; the live file stays, and nothing else', async () => {
  const dir = temporaryFolder()
  const log = new ScriptedLog().add(...registrations(3))
  await rebuild({ log, dir, projections })
  const live = liveFile(dir)
  const event = poison(40, 'bad@x.org')
  log.add(event)
  await expect(rebuild({ log, dir, projections })).rejects.toMatchObject({ constructor: PoisonEvent, event })
  expect(contents(dir)).toEqual([live, 'current'])
  expect(userCount(dir).value).toBe(3)
})

test('an unsound result is not swapped in', async () => {
  const dir = temporaryFolder()
  const log = new ScriptedLog().add(...registrations(3))
  await rebuild({ log, dir, projections })
  const live = liveFile(dir)
  const miscounting = { ...usersProjection, streamPrefixes: ['user-'] }
  miscounting.prepare = (db) => {
    db.$client.exec('UPDATE user_count SET total = 7')
    return usersProjection.prepare(db)
  }
  await expect(rebuild({ log, dir, projections: [miscounting] })).rejects.toThrow(InvalidRebuild)
  expect(contents(dir)).toEqual([live, 'current'])
})

test('stops with its signal and leaves nothing', async () => {
  const dir = temporaryFolder()
  const log = new ScriptedLog().addBatch({ events: registrations(1), position: 10, caughtUp: false })
  const reason = new Error('enough')
  const stop = new AbortController()
  const running = rebuild({ log, dir, projections, signal: stop.signal })
  stop.abort(reason)
  await expect(running).rejects.toBe(reason)
  expect(contents(dir)).toEqual([])
})

test('a lost log ends it and leaves nothing', async () => {
  const dir = temporaryFolder()
  const log = new ScriptedLog().addBatch({ events: registrations(1), position: 10, caughtUp: false })
  const running = rebuild({ log, dir, projections })
  await eventually(() => expect(log.subscriptions).toHaveLength(1))
  log.cut()
  await expect(running).rejects.toMatchObject({ name: 'StoreUnavailable' })
  expect(contents(dir)).toEqual([])
})

test('the live file is not replaced by an older one: the new one catches up first', async () => {
  const dir = temporaryFolder()
  const [first, second, third, fourth, fifth] = registrations(5)
  if (!(first && second && third && fourth && fifth)) throw new Error('there are five')
  await rebuild({ log: new ScriptedLog().add(first, second, third, fourth, fifth), dir, projections })
  const live = new Generations(dir).current()
  const behind = new ScriptedLog().add(first, second, third)
  // The log has all five, and subscriptions are slow.
  behind.eventAt = async () => fifth
  let isDone = false
  const running = rebuild({ log: behind, dir, projections }).finally(() => {
    isDone = true
  })
  await eventually(() => expect(behind.subscriptions).toHaveLength(2))
  behind.add(fourth)
  await new Promise((resolve) => setImmediate(resolve))
  expect(isDone).toBe(false)
  expect(new Generations(dir).current()).toBe(live)
  behind.add(fifth)
  expect(await running).toMatchObject({ position: 50 })
  expect(userCount(dir).value).toBe(5)
})

test('a checkpoint beyond the last event is kept, so that positions do not go back', async () => {
  const dir = temporaryFolder()
  const events = registrations(2)
  const log = new ScriptedLog().add(...events).addBatch({ events: [], position: 900, caughtUp: true })
  await rebuild({ log, dir, projections })
  const shorter = new ScriptedLog().add(...events)
  expect(await rebuild({ log: shorter, dir, projections })).toMatchObject({ position: 900 })
})

test('after the store was replaced by an older one, it makes the service follow that one', async () => {
  const dir = temporaryFolder()
  const events = registrations(3)
  const log = new ScriptedLog()
  for (const event of events) log.add(event)
  const readModel = startReadModel({ dir, log })
  expect(await readModel.reached(30, 5_000)).toBe(true)
  log.cut()
  const restored = new ScriptedLog().add(...events.slice(0, 2))
  log.restore(20)
  await eventually(() => expect(readModel.status().state).toBe('failed'))
  await rebuild({ log: restored, dir, projections })
  await eventually(() => expect(emails(readModel)).toHaveLength(2))
})

test('killed half way, it has changed nothing, and what it has left is removed by the next one', async () => {
  const dir = temporaryFolder()
  const log = new ScriptedLog().add(...registrations(3))
  await rebuild({ log, dir, projections })
  const child = spawn(process.execPath, [fileURLToPath(new URL('./rebuild-half-way.mjs', import.meta.url)), dir])
  const output: string[] = []
  child.stderr.on('data', (chunk: Buffer) => output.push(chunk.toString()))
  await new Promise<void>((resolve, reject) => {
    child.stdout.once('data', () => resolve())
    child.once('exit', () => reject(new Error(output.join(''))))
  })
  expect(contents(dir).filter((name) => name.endsWith('.sqlite'))).toHaveLength(2)
  await expect(rebuild({ log, dir, projections })).rejects.toThrow(RebuildInProgress)
  child.kill('SIGKILL')
  await new Promise((resolve) => child.once('exit', resolve))
  expect(userCount(dir).value).toBe(3)
  const { file } = await rebuild({ log, dir, projections })
  expect(contents(dir)).toEqual([file.slice(dir.length + 1), 'current'])
  expect(readFileSync(join(dir, 'current'), 'utf8').trim()).toBe(file.slice(dir.length + 1))
})

test('the new file survives a power cut: it is whole without its write-ahead log', async () => {
  const dir = temporaryFolder()
  const { file } = await rebuild({ log: new ScriptedLog().add(...registrations(3)), dir, projections })
  const db = openFile(file, projections)
  expect(db.$client.pragma('journal_mode', { simple: true })).toBe('wal')
  expect(checkpointOf(db)).toMatchObject({ position: 30, lastEvent: { position: 30 } })
  db.$client.close()
})
