import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, chownSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { createServer, type Server } from 'node:net'
import { join, resolve } from 'node:path'
import { EventStoreDBClient, jsonEvent } from '@eventstore/db-client'
import Database from 'better-sqlite3'
import { describe, expect, it, onTestFinished } from 'vitest'
import { failures } from '../../src/cli/failures.ts'
import { startNode as start } from '../support/embedded-node.ts'
import { startOldServer } from '../support/old-server.ts'
import { printed, rollbook, startService, temporaryDirectory, waitUntil } from '../support/processes.ts'
import { startSecuredNode } from '../support/secured-node.ts'

it('the table of docs/operations.md says what the code does', () => {
  const rows = readFileSync('docs/operations.md', 'utf8').matchAll(/^\| (\d+) \| ([^|]+) \| [^|]+ \| ([^|]*) \|$/gm)
  const documented = [...rows].map(([, exitCode, what, hint]) => ({ exitCode: Number(exitCode), what, hint }))
  const known = failures.map(({ exitCode, what, hint = '' }) => ({ exitCode, what, hint }))
  expect(documented).toEqual(known.sort((one, other) => one.exitCode - other.exitCode))
})

it('the systemd unit of docs/operations.md restarts nothing that only a person on the machine can mend', () => {
  const listed = /^RestartPreventExitStatus=(.*)$/m.exec(readFileSync('docs/operations.md', 'utf8'))?.[1]
  const codes = failures
    .map(({ exitCode }) => exitCode)
    .filter((code) => [2, 3].includes(code) || /^2\d$/.test(`${code}`))
  expect(listed).toBe(codes.join(' '))
})

it('each kind of failure has an exit code of its own, clear of those of sysexits.h, shells and systemd', () => {
  const codes = failures.map(({ exitCode }) => exitCode)
  expect(new Set(codes).size).toBe(codes.length)
  for (const code of codes) expect(code).toSatisfy((value: number) => value >= 1 && value < 64)
})

/** Runs a command to its end: it prints one line and the hint of the table on stderr, and nothing else. */
async function fails(
  exitCode: number,
  message: RegExp,
  parameters: readonly string[],
  environment: Record<string, string>,
  wrapper: readonly string[] = [],
): Promise<void> {
  const command = rollbook(parameters, { DATA_DIR: temporaryDirectory(), ...environment }, wrapper)
  let stderr = ''
  command.process.stderr?.on('data', (chunk) => (stderr += chunk))
  expect(await command.ended, command.output()).toBe(exitCode)
  const hint = failures.find((failure) => failure.exitCode === exitCode)?.hint
  const [first = '', ...rest] = stderr.split('\n')
  expect(first).toMatch(/^rollbook: /)
  expect(first).toMatch(message)
  expect(rest).toEqual(hint === undefined ? [''] : [`hint: ${hint}`, ''])
  expect(command.output()).not.toMatch(/^\s+at /m)
}

async function portOf(server: Server): Promise<string> {
  server.listen(0, '127.0.0.1')
  onTestFinished(() => void server.close())
  await once(server, 'listening')
  const address = server.address()
  return String(typeof address === 'object' && address?.port)
}

describe('a command that cannot do its work says so in one line, with a hint and an exit code of its own, for', () => {
  it('a configuration that is wrong', async () => {
    const EVENTSTORE_URL = 'http://localhost:2113'
    await Promise.all([
      fails(2, /PORT=http is not allowed: a port is/, ['serve'], { PORT: 'http' }),
      fails(2, /EVENTSTORE_URL=http:.* is not allowed: .* starts with esdb:/, ['status'], { EVENTSTORE_URL }),
    ])
  })

  it('a damaged log', async () => {
    const DATA_DIR = temporaryDirectory()
    writeFileSync(join(DATA_DIR, 'eventstore.sqlite'), 'x'.repeat(10_000))
    await Promise.all([
      fails(3, /eventstore\.sqlite is damaged/, ['serve'], { DATA_DIR }),
      fails(3, /eventstore\.sqlite is damaged/, ['node', 'backup', join(DATA_DIR, 'copy')], { DATA_DIR }),
    ])
  })

  it('a port that is in use', async () => {
    const port = await portOf(createServer())
    await Promise.all([
      fails(10, /PORT=\d+: .* is in use by another process/, ['serve'], { PORT: port }),
      fails(10, /EMBEDDED_NODE_PORT=\d+: .* is in use by another program/, ['node'], { EMBEDDED_NODE_PORT: port }),
    ])
  })

  it('a log that another process has', async () => {
    const DATA_DIR = temporaryDirectory()
    const { address } = await startNode({ dataDir: DATA_DIR, port: 0 })
    await Promise.all(
      ['serve', 'node'].map((name) => fails(11, new RegExp(`listens on ${address}$`), [name], { DATA_DIR })),
    )
  })

  it('a rebuild beside a rebuild', async () => {
    const DATA_DIR = temporaryDirectory()
    mkdirSync(join(DATA_DIR, 'read-model'))
    const lock = new Database(join(DATA_DIR, 'read-model/lock.sqlite'))
    onTestFinished(() => void lock.close())
    lock.exec('BEGIN EXCLUSIVE')
    await fails(12, /a read model is being built in .* already$/, ['rebuild'], {
      DATA_DIR,
      EVENTSTORE_URL: await store(),
    })
  })

  it('a full disk', async ({ skip }) => {
    const DATA_DIR = temporaryDirectory()
    const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', DATA_DIR])
    if (status !== 0) skip('a small disk can be mounted only by root')
    onTestFinished(() => void spawnSync('umount', ['-l', DATA_DIR]))
    spawnSync('dd', ['if=/dev/zero', `of=${join(DATA_DIR, 'fill')}`, 'bs=4k'])
    await fails(13, /eventstore\.sqlite cannot be written: .*full/, ['serve'], { DATA_DIR })
    await fails(13, /full/, ['rebuild'], { DATA_DIR, EVENTSTORE_URL: await store() })
  })

  it('a data directory that cannot be one', async () => {
    const file = join(temporaryDirectory(), 'file')
    writeFileSync(file, '')
    await Promise.all([
      fails(20, /DATA_DIR=.*\/folder is not allowed: .*ENOTDIR/, ['serve'], { DATA_DIR: join(file, 'folder') }),
      fails(20, /DATA_DIR=\/proc\/rollbook is not allowed: /, ['node'], { DATA_DIR: '/proc/rollbook' }),
    ])
  })

  it.each(['.', 'eventstore.sqlite', 'eventstore.lock'])(
    '%s in the data directory that this user may not write',
    async (name) => {
      const DATA_DIR = await withLog()
      await fails(20, /EACCES/, ['serve'], { DATA_DIR }, withoutRightTo(DATA_DIR, name))
    },
  )

  it('a log of another format', async () => {
    const DATA_DIR = await withLog((log) => log.pragma('user_version = 9'))
    await Promise.all(
      [['serve'], ['node', 'check']].map((parameters) =>
        fails(21, /has the log format version 9; this version reads version 1 only/, parameters, { DATA_DIR }),
      ),
    )
  })

  it('a read model that is missing, or of another version', async () => {
    const DATA_DIR = temporaryDirectory()
    const EVENTSTORE_URL = await store()
    await fails(22, /nothing has been built there$/, ['status'], { DATA_DIR, EVENTSTORE_URL })
    const rebuild = rollbook(['rebuild'], { DATA_DIR, EVENTSTORE_URL })
    expect(await rebuild.ended, rebuild.output()).toBe(0)
    const folder = join(DATA_DIR, 'read-model')
    const file = new Database(join(folder, readFileSync(join(folder, 'current'), 'utf8').trim()))
    file.exec("UPDATE checkpoint SET schema_version = 'newer'")
    file.close()
    await Promise.all(
      ['status', 'verify'].map((name) =>
        fails(22, /it has schema version newer, and \w+ is wanted$/, [name], { DATA_DIR, EVENTSTORE_URL }),
      ),
    )
  })

  it('a file of reactions of another version', async () => {
    const DATA_DIR = temporaryDirectory()
    const file = new Database(join(DATA_DIR, 'reactions.sqlite'))
    file.pragma('user_version = 9')
    file.close()
    const webhook = { WEBHOOK_URL: 'http://127.0.0.1:9', WEBHOOK_SECRET: `whsec_${'A'.repeat(44)}` }
    await fails(23, /reactions\.sqlite cannot be used: schema version 9/, ['serve'], { DATA_DIR, ...webhook })
  })

  it('a data directory without an event store', async () => {
    await Promise.all(
      [['status'], ['node', 'scavenge']].map((parameters) =>
        fails(24, /there is no event store in .*: start the service first$/, parameters, {}),
      ),
    )
  })

  it('a server that is no EventStoreDB', async () => {
    const port = await portOf(createHttpServer((_, response) => void response.end('hello')))
    const EVENTSTORE_URL = `esdb://127.0.0.1:${port}`
    await Promise.all([
      fails(30, /what answers is no EventStoreDB: /, ['status'], { EVENTSTORE_URL: `${EVENTSTORE_URL}?tls=false` }),
      fails(33, /event store without TLS: /, ['status'], { EVENTSTORE_URL }),
    ])
  })

  it('an EventStoreDB that never says that a replay is over', async () => {
    const EVENTSTORE_URL = `esdb://${await startOldServer('22.10.5')}?tls=false`
    await fails(31, /EventStoreDB is too old: .*22\.10\.5, and 23\.10 or newer is needed$/, ['rebuild'], {
      EVENTSTORE_URL,
    })
  })

  it('an event store whose certificate is not trusted, or that refuses the user', async () => {
    const node = await startSecuredNode({ rollbook: [] })
    const as = (user: string, ca = `&tlsCAFile=${node.tls.certificate}`) => ({
      EVENTSTORE_URL: `esdb://${user}@localhost:${node.port}?tls=true${ca}`,
    })
    await Promise.all([
      fails(32, /not trusted: .*self-signed certificate$/, ['status'], as('rollbook:koobllor', '')),
      fails(34, /user or password not known .*: .*UNAUTHENTICATED/, ['status'], as('rollbook:wrong')),
      fails(35, /access denied by the event store: .*PERMISSION_DENIED/, ['status'], as('rollbook:koobllor')),
    ])
  })

  it('an event store that is not the one that the read model was made from', async () => {
    const DATA_DIR = temporaryDirectory()
    const [one, other] = [await store(), await store()]
    for (const url of [one, other]) await registerIn(url)
    const rebuild = rollbook(['rebuild'], { DATA_DIR, EVENTSTORE_URL: one })
    expect(await rebuild.ended, rebuild.output()).toBe(0)
    await fails(36, /the store was restored or replaced/, ['verify'], { DATA_DIR, EVENTSTORE_URL: other })
  })

  it('an event store that is away', async () => {
    await fails(14, /event store unavailable: .*ECONNREFUSED/, ['status'], {
      EVENTSTORE_URL: 'esdb://127.0.0.1:1?tls=false',
    })
  })
})

it('a reader of the output that goes away is no error to print', async () => {
  const DATA_DIR = await withLog()
  const shell = spawnSync('sh', ['-c', '"$0" "$1" node check | true', process.execPath, resolve('dist/src/cli.js')], {
    env: { ...process.env, DATA_DIR },
    encoding: 'utf8',
  })
  expect(shell.stderr).toMatch(/^100 %, .*\n$/)
})

describe('a service', () => {
  it('starts without its event store, and answers 503 until it comes', async () => {
    const environment = { DATA_DIR: temporaryDirectory(), EVENTSTORE_URL: 'esdb://127.0.0.1:1?tls=false' }
    const { url } = await startService(environment, 'listening')
    expect((await fetch(`${url}/health/live`)).status).toBe(200)
    expect((await fetch(`${url}/health/ready`)).status).toBe(503)
    expect((await fetch(`${url}/users`)).status).toBe(503)
  })

  it('says once, at error and with the hint, that its event store refuses it, and goes on trying', async () => {
    const node = await startSecuredNode({ rollbook: [] })
    const service = rollbook(['serve'], { DATA_DIR: temporaryDirectory(), EVENTSTORE_URL: node.url('rollbook:wrong') })
    const url = await printed(service, /API: (http:\/\/[^\s"]+)/)
    const refusals = () =>
      service
        .output()
        .split('\n')
        .filter((line) => line.includes('refuses the service'))
    await waitUntil(() => refusals().length > 0, 'the refusal in the log')
    // Each asks the event store again.
    for (let look = 0; look < 20; look++) await fetch(`${url}/health/ready`)
    const hint = failures.find(({ exitCode }) => exitCode === 34)?.hint
    expect(refusals().map((line) => JSON.parse(line))).toEqual([
      expect.objectContaining({ level: 50, reason: expect.stringContaining('user or password not known'), hint }),
    ])
  })
})

async function registerIn(url: string): Promise<void> {
  const client = EventStoreDBClient.connectionString(url)
  onTestFinished(() => client.dispose())
  const data = { id: '01K00000000000000000000000', name: 'Ada', email: 'ada@example.com' }
  await client.appendToStream('user-ada@example.com', jsonEvent({ type: 'UserRegistered', data }))
}

async function startNode(options: { readonly dataDir: string; readonly port: number }) {
  const node = await start(options)
  onTestFinished(() => node.close())
  return node
}

/** The connection string of an event store of this test. */
async function store(): Promise<string> {
  const { address } = await startNode({ dataDir: temporaryDirectory(), port: 0 })
  return `esdb://${address}?tls=false`
}

/** A data directory with a log. */
async function withLog(change?: (log: Database.Database) => void): Promise<string> {
  const dataDir = temporaryDirectory()
  const node = await startNode({ dataDir, port: 0 })
  await node.close()
  const log = new Database(join(dataDir, 'eventstore.sqlite'))
  change?.(log)
  log.close()
  return dataDir
}

/** Takes the right to write away. Root has every right: what is run then is run as nobody, who has all the others. */
function withoutRightTo(folder: string, name: string): string[] {
  const nobody = 65_534
  const isRoot = process.getuid?.() === 0
  chmodSync(folder, 0o755)
  if (isRoot) {
    for (const file of ['.', ...readdirSync(folder)]) chownSync(join(folder, file), nobody, nobody)
    chownSync(join(folder, name), 0, 0)
  }
  const mode = name === '.' ? 0o555 : 0o444
  chmodSync(join(folder, name), mode)
  onTestFinished(() => rmSync(join(folder, name), { recursive: true, force: true }))
  return isRoot ? ['setpriv', `--reuid=${nobody}`, `--regid=${nobody}`, '--clear-groups'] : []
}
