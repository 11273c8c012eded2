import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { EventStoreDBClient } from '@eventstore/db-client'
import { describe, expect, it, onTestFinished } from 'vitest'
import { anEmail, find, register } from '../support/api.ts'
import { printed, rollbook, startService, temporaryDirectory, waitUntil } from '../support/processes.ts'
import { tlsFiles } from '../support/secured-node.ts'

/** The line that the command prints for a password on stdin. */
async function hashPassword(password: string, ...parameters: string[]): Promise<string> {
  const child = spawn(process.execPath, [resolve('dist/src/cli.js'), 'node', 'hash-password', ...parameters])
  let line = ''
  child.stdout.on('data', (chunk) => (line += chunk))
  child.stdin.end(password)
  const [code] = await once(child, 'close')
  expect(code).toBe(0)
  return line
}

async function startSecuredNode() {
  const tls = await tlsFiles()
  const users = join(temporaryDirectory(), 'users')
  const admin = await hashPassword('changeit\n', 'admin', '--groups', '$admins')
  writeFileSync(users, admin + (await hashPassword('s3cret pass', 'rollbook')), { mode: 0o600 })
  const dataDir = temporaryDirectory()
  const files = ['--tls-certificate', tls.certificate, '--tls-key', tls.key, '--users', users]
  const node = rollbook(['node', '--data-dir', dataDir, '--host', '0.0.0.0', '--port', '0', ...files])
  const port = await printed(node, /Event store: esdb:\/\/0\.0\.0\.0:(\d+)\?tls=true/)
  const url = (credentials: string) => `esdb://${credentials}@localhost:${port}?tls=true&tlsCAFile=${tls.certificate}`
  return { node, dataDir, url }
}

async function openAll(url: string): Promise<void> {
  const client = EventStoreDBClient.connectionString(url)
  onTestFinished(() => client.dispose())
  await client.setStreamMetadata('$all', { acl: { readRoles: ['$admins', 'rollbook'] } })
}

describe('a node with users', () => {
  it('serves the service as a user that may read $all, from the moment it may', async () => {
    const { node, dataDir, url } = await startSecuredNode()
    const environment = { DATA_DIR: temporaryDirectory(), EVENTSTORE_URL: url('rollbook:s3cret%20pass') }
    const service = await startService(environment, 'listening')
    expect((await fetch(`${service.url}/health/ready`)).status).toBe(503)
    await openAll(url('admin:changeit'))
    await waitUntil(async () => (await fetch(`${service.url}/health/ready`)).ok, 'the service to be ready', 30_000)
    const email = anEmail()
    expect((await register(service.url, email)).status).toBe(201)
    await waitUntil(async () => (await find(service.url, email)).length === 1, 'the user to be found')
    const status = rollbook(['status'], environment)
    expect(await status.ended, status.output()).toBe(0)
    const rebuild = rollbook(['rebuild'], { DATA_DIR: dataDir })
    expect(await rebuild.ended).toBe(1)
    expect(rebuild.output()).toMatch(/^rollbook: the node on 0\.0\.0\.0:\d+ takes TLS: set EVENTSTORE_URL\n$/)
    const scavenge = rollbook(['node', 'scavenge', '--data-dir', dataDir])
    expect(await scavenge.ended).toBe(1)
    expect(scavenge.output()).toMatch(/takes TLS: stop it, or ask it with a client that has a login\n$/)
    for (const { output } of [node, service, status]) expect(output()).not.toMatch(/s3cret|changeit/)
  })

  it('keeps a service with a wrong password out, which says why and does not print it', async () => {
    const { url } = await startSecuredNode()
    const environment = { DATA_DIR: temporaryDirectory(), EVENTSTORE_URL: url('rollbook:wrong') }
    const service = await startService(environment, 'listening')
    await waitUntil(() => service.output().includes('UNAUTHENTICATED'), 'the reason in the log')
    expect((await register(service.url, anEmail())).ok).toBe(false)
    expect(service.output()).not.toContain('wrong')
  })
})

it.each([
  ['an address that others can reach', ['node', '--host', '0.0.0.0'], {}, /EMBEDDED_NODE_HOST=0\.0\.0\.0 .*TLS/],
  ['users without TLS', ['node', '--users', 'users'], {}, /EMBEDDED_NODE_USERS=users .*certificate/],
  ['a certificate without key', ['node', '--tls-certificate', 'x'], {}, /EMBEDDED_NODE_TLS_KEY= /],
  [
    'a certificate that is missing',
    ['node', '--tls-certificate', 'nosuch', '--tls-key', 'nosuch'],
    {},
    /EMBEDDED_NODE_TLS_CERTIFICATE=nosuch .*ENOENT/,
  ],
  ['a secured node inside the service', ['serve'], { EMBEDDED_NODE_USERS: 'users' }, /EVENTSTORE_URL= .*rollbook node/],
  ['a login that cannot be', ['node', 'hash-password', 'a:b'], {}, /a login name has/],
])('ends with 2 on %s', async (_, parameters, environment, expected) => {
  const command = rollbook(parameters, { DATA_DIR: temporaryDirectory(), ...environment })
  expect(await command.ended).toBe(2)
  expect(command.output()).toMatch(expected)
  expect(command.output()).toMatch(/^[^\n]+\n$/)
})
