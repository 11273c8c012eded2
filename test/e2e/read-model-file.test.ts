import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterAll, describe, expect, it, onTestFinished, type TestContext } from 'vitest'
import { run } from '../faults/processes.ts'
import { anEmail, find, register, total } from '../support/api.ts'
import { startNode } from '../support/embedded-node.ts'
import { printed, rollbook, type Service, startService, temporaryDirectory, waitUntil } from '../support/processes.ts'

const USERS = 20

const folder = mkdtempSync(join(tmpdir(), 'rollbook-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const made = await makeUsers(folder)

describe('a read model that cannot be used when the service starts', () => {
  it.each<[string, (file: string, dir: string) => void, RegExp]>([
    ['is missing', (file) => rmSync(file), /cannot be used.*replayed into a new one/],
    ['is empty', (file) => truncateSync(file), /cannot be used.*replayed into a new one/],
    ['is cut in half', (file) => truncateSync(file, statSync(file).size / 2), /replayed into a new one/],
    ['is no database', (file) => writeFileSync(file, 'x'.repeat(100_000)), /cannot be used.*replayed into a new one/],
    ['is damaged behind its first page', damage, /replayed into a new one/],
    ['is of a newer schema', makeNewer, /cannot be used.*replayed into a new one/],
    ['is a folder', replaceByFolder, /cannot be used.*replayed into a new one/],
    ['may not be written', (file) => chmodSync(file, 0o444), /cannot be used.*replayed into a new one/],
    [
      'has a lock that is no database',
      (_, dir) => writeFileSync(join(dir, 'lock.sqlite'), 'x'.repeat(9_000)),
      /tried again until it can/,
    ],
  ])('and %s is replaced, which is one line of the log', async (_, spoil, line) => {
    const { store, DATA_DIR } = await withUsers()
    spoil(fileOf(DATA_DIR), join(DATA_DIR, 'read-model'))
    const service = await startService({ EVENTSTORE_URL: store, DATA_DIR }, 'ready', unprivileged)
    await waitUntil(async () => (await listed(service)) === USERS, 'all users to be listed')
    expect(troubles(service)).toEqual([expect.stringMatching(line)])
    await isSound(service, store, DATA_DIR)
  })

  it('because its folder may not be written is told in one line and in readiness, and is built as soon as it may', async () => {
    const { store, DATA_DIR } = await withUsers()
    const dir = join(DATA_DIR, 'read-model')
    rmSync(dir, { recursive: true })
    mkdirSync(dir, { mode: 0o555 })
    const service = await startService({ EVENTSTORE_URL: store, DATA_DIR }, 'listening', unprivileged)
    expect((await register(service.url, anEmail())).status).toBe(201)
    expect((await fetch(`${service.url}/users`)).status).toBe(503)
    expect(await readiness(service)).toMatchObject({ status: 503, error: expect.stringMatching(/unable to open/) })
    chmodSync(dir, 0o755)
    await becomesReady(service)
    expect(await total(service.url)).toBe(USERS + 1)
    expect(troubles(service)).toEqual([expect.stringMatching(/cannot be built or opened: tried again until it can/)])
  })

  it('because the disk is full is told in one line and in readiness, and is built as soon as there is room', async (test) => {
    const { store, DATA_DIR } = await withUsers()
    const dir = join(DATA_DIR, 'read-model')
    rmSync(dir, { recursive: true })
    smallDisk(dir, test)
    const fill = fillDisk(dir)
    const service = await startService({ EVENTSTORE_URL: store, DATA_DIR }, 'listening')
    expect(await readiness(service)).toMatchObject({ status: 503, error: expect.stringMatching(/full|unable to open/) })
    expect((await register(service.url, anEmail())).status).toBe(201)
    rmSync(fill)
    await becomesReady(service)
    expect(await total(service.url)).toBe(USERS + 1)
    expect(troubles(service)).toEqual([expect.stringMatching(/tried again until it can/)])
  })
})

describe('a read model that something happens to while the service runs', () => {
  it.each<[string, (file: string, dir: string) => void]>([
    ['is removed', (file) => rmSync(file)],
    ['loses its write-ahead log', (file) => rmSync(`${file}-wal`)],
    ['is removed with all of its folder', (_, dir) => rmSync(dir, { recursive: true })],
    ['is replaced', replaceByCopy],
  ])('and %s is built anew while queries go on, which is one line of the log', async (_, spoil) => {
    const { store, DATA_DIR } = await withUsers()
    const service = await startService({ EVENTSTORE_URL: store, DATA_DIR })
    const before = fileOf(DATA_DIR)
    spoil(before, join(DATA_DIR, 'read-model'))
    const email = anEmail()
    const registered = await register(service.url, email)
    const token = registered.headers.get('consistency-token') ?? ''
    expect(await find(service.url, email, { 'consistency-token': token })).toHaveLength(1)
    const isReplaced = async () => {
      expect(await total(service.url)).toBe(USERS + 1)
      return timesServed(service) === 2
    }
    await waitUntil(isReplaced, 'a new file')
    expect(fileOf(DATA_DIR)).not.toBe(before)
    expect(troubles(service)).toEqual([expect.stringMatching(/was removed, replaced or cut.*replayed into a new one/)])
    await isSound(service, store, DATA_DIR)
  })

  it.each<[string, (file: string) => void]>([
    ['is cut', (file) => truncateSync(file, 4_096)],
    ['is written over', (file) => writeFileSync(file, 'x'.repeat(statSync(file).size))],
  ])('and %s is built anew, which is one line of the log', async (_, spoil) => {
    const { store, DATA_DIR } = await withUsers()
    const service = await startService({ EVENTSTORE_URL: store, DATA_DIR })
    spoil(fileOf(DATA_DIR))
    const isReplaced = async () => {
      await register(service.url, anEmail())
      return timesServed(service) === 2
    }
    await waitUntil(isReplaced, 'a new file')
    expect(troubles(service)).toEqual([expect.stringMatching(/(replaced or cut|is corrupt).*replayed into a new one/)])
    await becomesReady(service)
    await isSound(service, store, DATA_DIR)
  })

  it('and is locked by another process is behind until it is free, and queries go on', async () => {
    const { store, DATA_DIR } = await withUsers()
    const service = await startService({ EVENTSTORE_URL: store, DATA_DIR })
    const other = new Database(fileOf(DATA_DIR))
    onTestFinished(() => void other.close())
    other.exec('BEGIN IMMEDIATE')
    const email = anEmail()
    expect((await register(service.url, email)).status).toBe(201)
    await waitUntil(async () => (await readiness(service)).status === 503, 'it to be unready')
    expect(await readiness(service)).toMatchObject({ state: 'reconnecting', error: 'database is locked' })
    expect(await total(service.url)).toBe(USERS)
    other.exec('COMMIT')
    await becomesReady(service)
    expect(await find(service.url, email)).toHaveLength(1)
    expect(troubles(service)).toEqual([expect.stringMatching(/projector is interrupted/)])
  })

  it('and has no room left on its disk is behind until there is some, and queries go on', async (test) => {
    const { store, DATA_DIR } = await withUsers()
    const dir = join(DATA_DIR, 'read-model')
    rmSync(dir, { recursive: true })
    smallDisk(dir, test)
    const service = await startService({ EVENTSTORE_URL: store, DATA_DIR })
    const fill = fillDisk(dir)
    let registered = USERS
    const isUnready = async () => {
      expect((await register(service.url, anEmail())).status).toBe(201)
      registered++
      return (await readiness(service)).status === 503
    }
    await waitUntil(isUnready, 'it to be unready')
    expect(await readiness(service)).toMatchObject({ state: 'reconnecting', error: expect.stringMatching(/full/) })
    expect(await total(service.url)).toBeGreaterThanOrEqual(USERS)
    rmSync(fill)
    await becomesReady(service)
    await waitUntil(async () => (await total(service.url)) === registered, 'all to be listed')
    expect(troubles(service)).toEqual([expect.stringMatching(/projector is interrupted/)])
    await isSound(service, store, DATA_DIR)
  })
})

/** Root may write everything, unless it gives up that right. */
const unprivileged = process.getuid?.() === 0 ? ['setpriv', '--bounding-set=-dac_override,-dac_read_search', '--'] : []

/** A store with some users, and a read model of them that nobody uses: copies of those that are made once. */
async function withUsers() {
  const [log, DATA_DIR] = [temporaryDirectory(), temporaryDirectory()]
  cpSync(made.log, log, { recursive: true })
  cpSync(made.data, DATA_DIR, { recursive: true })
  const node = await startNode({ dataDir: log, port: 0 })
  onTestFinished(() => node.close())
  return { store: `esdb://${node.address}?tls=false`, DATA_DIR }
}

async function makeUsers(folder: string) {
  const [log, data] = [join(folder, 'log'), join(folder, 'data')]
  mkdirSync(log)
  const node = await startNode({ dataDir: log, port: 0 })
  const service = run(['serve'], { EVENTSTORE_URL: `esdb://${node.address}?tls=false`, DATA_DIR: data })
  const url = await printed(service, /API: (http:\/\/[^\s"]+)/)
  for (let user = 0; user < USERS; user++) expect((await register(url, anEmail())).status).toBe(201)
  await waitUntil(async () => (await total(url)) === USERS, 'the users to be listed')
  service.process.kill('SIGTERM')
  await service.ended
  await node.close()
  return { log, data }
}

function fileOf(dataDir: string): string {
  const dir = join(dataDir, 'read-model')
  return join(dir, readFileSync(join(dir, 'current'), 'utf8').trim())
}

/** All but what SQLite needs to open it. */
function damage(file: string): void {
  const bytes = readFileSync(file)
  writeFileSync(file, bytes.fill('x', 3 * 4_096))
}

function replaceByFolder(file: string): void {
  rmSync(file)
  mkdirSync(file)
}

function replaceByCopy(file: string): void {
  copyFileSync(file, `${file}.new`)
  renameSync(`${file}.new`, file)
}

function makeNewer(file: string): void {
  const db = new Database(file)
  db.exec("UPDATE checkpoint SET schema_version = 'from tomorrow'")
  db.close()
}

/** What the log has of warnings and errors that come from no request. */
function troubles({ output }: Service): string[] {
  const lines = output()
    .split('\n')
    .filter((line) => line.startsWith('{'))
  return lines.filter((line) => JSON.parse(line).level >= 40 && !line.includes('requestId'))
}

const timesServed = ({ output }: Service) => output().split('read model is served').length - 1

async function readiness({ url }: Service) {
  const response = await fetch(`${url}/health/ready`)
  const { readModel } = await response.json()
  return { status: response.status, ...readModel }
}

const becomesReady = (service: Service) =>
  waitUntil(async () => (await readiness(service)).status === 200, 'it to be ready')

/** 503 while it is built, which is no error. */
async function listed({ url }: Service): Promise<number | undefined> {
  const response = await fetch(`${url}/users?q=ada`)
  return response.ok ? (await response.json()).total : undefined
}

async function isSound(service: Service, store: string, DATA_DIR: string): Promise<void> {
  expect((await readiness(service)).status).toBe(200)
  const verified = rollbook(['verify'], { EVENTSTORE_URL: store, DATA_DIR })
  expect(await verified.ended, verified.output()).toBe(0)
}

function smallDisk(dir: string, { skip }: TestContext): void {
  mkdirSync(dir, { recursive: true })
  const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', dir])
  if (status !== 0) skip('a small disk can be mounted only by root')
  onTestFinished(() => void spawnSync('umount', ['-l', dir]))
}

/** Leaves nothing. */
function fillDisk(dir: string): string {
  const file = join(dir, 'fill')
  spawnSync('dd', ['if=/dev/zero', `of=${file}`, 'bs=4k'])
  return file
}
