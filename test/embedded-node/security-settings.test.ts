import { chmodSync, existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { EventStoreDBClient, jsonEvent } from '@eventstore/db-client'
import { ServerFeaturesClient } from '@eventstore/db-client/generated/serverfeatures_grpc_pb.js'
import shared from '@eventstore/db-client/generated/shared_pb.js'
import { credentials } from '@grpc/grpc-js'
import { describe, expect, onTestFinished, test } from 'vitest'
import { hashPassword, isPassword, parseHash } from '../../src/embedded-node/passwords.ts'
import type { SecurityOptions } from '../../src/embedded-node/security.ts'
import { startNode } from '../support/embedded-node.ts'
import { tlsFiles, usersFile } from '../support/secured-node.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const HASH = '$scrypt$ln=10,r=8,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaGhhc2g'

function fileWith(text: string): string {
  const file = join(temporaryFolder(), 'file')
  writeFileSync(file, text, { mode: 0o600 })
  return file
}

/** What a node is refused with; nothing has been opened then. */
async function refusal(options: SecurityOptions): Promise<unknown> {
  const dataDir = join(temporaryFolder(), 'data')
  const error = await startNode({ dataDir, port: 0, ...options }).catch((error: unknown) => error)
  expect(existsSync(dataDir)).toBe(false)
  return error
}

async function running(options: SecurityOptions & { onWarning?: (warning: string) => void }) {
  const node = await startNode({ dataDir: temporaryFolder(), port: 0, ...options })
  onTestFinished(() => node.close())
  return node
}

describe('a node that others could reach', () => {
  test.each(['0.0.0.0', '::', '192.0.2.1', 'example.com'])('on %s is refused without TLS and users', async (host) => {
    expect(await refusal({ host })).toMatchObject({ name: 'UnsafeAddress', host })
    expect(await refusal({ host, tls: await tlsFiles() })).toMatchObject({ name: 'UnsafeAddress', host })
    const users = usersFile({ ada: { password: 'x' } })
    expect(await refusal({ host, users })).toMatchObject({ name: 'UsersWithoutTls', file: users })
  })

  test.each(['localhost', '127.0.0.1', '127.0.0.2', '::1'])('is none on %s', async (host) => {
    const node = await running({ host })
    const client = new ServerFeaturesClient(node.address, credentials.createInsecure())
    onTestFinished(() => client.close())
    const error = await new Promise((resolve) => client.getSupportedMethods(new shared.Empty(), resolve))
    expect(error).toBeNull()
  })

  test('listens on all addresses with TLS and users', async () => {
    const node = await running({
      ...{ host: '0.0.0.0', tls: await tlsFiles(), users: usersFile({ ada: { password: 'x' } }) },
    })
    expect(node.address).toBe(`0.0.0.0:${node.port}`)
  })

  test('is refused by name on an address that is none of this machine', async () => {
    const options = { host: '192.0.2.1', tls: await tlsFiles(), users: usersFile({ ada: { password: 'x' } }) }
    const start = startNode({ dataDir: temporaryFolder(), port: 0, ...options })
    await expect(start).rejects.toMatchObject({ name: 'CannotListenOn', host: '192.0.2.1' })
  })
})

describe('files for TLS', () => {
  test('do without users on loopback: every caller may do everything', async () => {
    const tls = await tlsFiles()
    const node = await running({ tls })
    const client = EventStoreDBClient.connectionString(`esdb://${node.address}?tls=true&tlsCAFile=${tls.certificate}`)
    onTestFinished(() => client.dispose())
    await client.appendToStream('$s', jsonEvent({ type: 't', data: {} }))
  })

  test('are refused by name where they are missing, no PEM, too old or do not belong together', async () => {
    const good = await tlsFiles()
    const other = await tlsFiles()
    const old = await tlsFiles('localhost', new Date('2020-02-02'))
    const missing = join(temporaryFolder(), 'missing')
    const junk = fileWith('-----BEGIN NOTHING-----\n')
    const of = (part: 'certificate' | 'key', file: string, reason: RegExp) =>
      ({ name: 'UnusableTlsFile', part, file, reason: expect.stringMatching(reason) }) as const
    const tls = (certificate: string, key: string) => refusal({ tls: { certificate, key } })
    expect(await tls(missing, good.key)).toMatchObject(of('certificate', missing, /ENOENT/))
    expect(await tls(good.certificate, missing)).toMatchObject(of('key', missing, /ENOENT/))
    expect(await tls(junk, good.key)).toMatchObject(of('certificate', junk, /./))
    expect(await tls(good.certificate, junk)).toMatchObject(of('key', junk, /./))
    expect(await tls(good.certificate, other.key)).toMatchObject(of('key', other.key, /does not belong/))
    expect(await tls(old.certificate, old.key)).toMatchObject(of('certificate', old.certificate, /expired on Feb +2/))
  })
})

describe('a users file', () => {
  test.each([
    ['ada', /login:hash:groups/],
    [`ada:${HASH}`, /login:hash:groups/],
    [`ada:${HASH}:editors:more`, /login:hash:groups/],
    [`$ada:${HASH}:`, /login name/],
    [`:${HASH}:`, /login name/],
    [`a da:${HASH}:`, /login name/],
    [`ada:${HASH}:$all`, /\$all is everybody/],
    [`ada:${HASH}:my group`, /a group has no white space/],
    ['ada:changeit:', /a scrypt hash looks like/],
    [`ada:${HASH.replace('ln=10', 'ln=9')}:`, /ln from 10 to 20/],
    [`ada:${HASH.replace('ln=10', 'ln=20')}:`, /128 MiB/],
    [`ada:${HASH}:\nada:${HASH}:`, /ada is there already/],
    ['# nobody\n', /names no user/],
  ])('with %j is refused', async (text, reason) => {
    const users = fileWith(text)
    const line = text.startsWith('#') ? undefined : text.split('\n').length
    const error = await refusal({ tls: await tlsFiles(), users })
    expect(error).toMatchObject({ name: 'UnusableUsersFile', file: users, line, reason: expect.stringMatching(reason) })
  })

  test('that is missing is refused', async () => {
    const users = join(temporaryFolder(), 'missing')
    const error = await refusal({ tls: await tlsFiles(), users })
    expect(error).toMatchObject({ name: 'UnusableUsersFile', file: users, reason: expect.stringMatching(/ENOENT/) })
  })

  test('that others can read is warned of', async () => {
    const users = fileWith(`\n# our users\nada:${HASH}:$admins,editors\r\nben:${HASH}:\r\n`)
    const tls = await tlsFiles()
    const warnings: string[] = []
    const start = () => running({ tls, users, onWarning: (warning) => warnings.push(warning) })
    await start()
    expect(warnings).toEqual([])
    chmodSync(users, 0o644)
    await start()
    expect(warnings).toEqual([`${users} can be read by other users of this machine: chmod 600 ${users}`])
  })
})

describe('a password', () => {
  test('is hashed with a salt of its own and found again by no other', async () => {
    const [one, two] = await Promise.all([hashPassword('changeit'), hashPassword('changeit')])
    expect(one).not.toBe(two)
    const hash = parseHash(one)
    if (hash === undefined) throw new Error(one)
    expect(await isPassword('changeit', hash)).toBe(true)
    expect(await isPassword('changeit ', hash)).toBe(false)
    expect(await isPassword('', hash)).toBe(false)
  })
})
