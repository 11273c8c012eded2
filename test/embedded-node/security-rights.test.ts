import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import {
  AccessDeniedError,
  type AllStreamSubscription,
  ANY,
  binaryEvent,
  type EventStoreDBClient,
  jsonEvent,
  type StreamSubscription,
} from '@eventstore/db-client'
import { describe, expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { passwordOf, type SecuredNode, startSecuredNode } from '../support/secured-node.ts'

const GROUPS = { admin: [], root: ['$admins'], ops: [], ada: ['editors'], ben: ['readers'], eve: [] }

const event = () => jsonEvent({ type: 't', data: { n: 1 } })
const streamName = () => `s-${randomUUID()}`

type Attempt = (client: EventStoreDBClient, stream: string) => Promise<unknown>

const attempts = {
  append: (client, stream) => client.appendToStream(stream, event()),
  'append on its own': (client, stream) => {
    // With credentials for the call, the client takes the Append call instead of BatchAppend.
    const username = logins.get(client) ?? ''
    return client.appendToStream(stream, event(), { credentials: { username, password: passwordOf(username) } })
  },
  read: (client, stream) => allOf(client.readStream(stream)),
  subscribe: (client, stream) => confirmed(client.subscribeToStream(stream)),
  'read metadata': (client, stream) => client.getStreamMetadata(stream),
  'write metadata': (client, stream) => client.setStreamMetadata(stream, { mine: 1 }),
  delete: (client, stream) => client.deleteStream(stream, { expectedRevision: ANY }),
  tombstone: (client, stream) => client.tombstoneStream(stream, { expectedRevision: ANY }),
} satisfies Record<string, Attempt>

const logins = new WeakMap<EventStoreDBClient, string>()

function clientOf(node: SecuredNode, login: string): EventStoreDBClient {
  const client = node.clientOf(login)
  logins.set(client, login)
  return client
}

async function allOf(events: AsyncIterable<unknown>): Promise<number> {
  let count = 0
  for await (const _ of events) count++
  return count
}

async function confirmed(subscription: AllStreamSubscription | StreamSubscription): Promise<void> {
  await once(subscription, 'confirmation')
  await subscription.unsubscribe()
}

async function outcome(attempt: Promise<unknown>): Promise<'allowed' | 'denied'> {
  try {
    await attempt
    return 'allowed'
  } catch (error) {
    if (error instanceof AccessDeniedError) return 'denied'
    throw error
  }
}

describe('a right in the $acl of a stream', () => {
  const everything = { $r: ['root'], $w: ['root'], $d: ['root'], $mr: ['root'], $mw: ['root'] }
  test.each([
    ['$r', ['read', 'subscribe']],
    ['$w', ['append', 'append on its own']],
    ['$d', ['delete']],
    ['$d', ['tombstone']],
    ['$mr', ['read metadata']],
    ['$mw', ['write metadata']],
  ])('%s is what it takes to %j, and no more', async (right, expected) => {
    const node = await startSecuredNode(GROUPS)
    const root = clientOf(node, 'root')
    const ada = clientOf(node, 'ada')
    const allowed: string[] = []
    for (const [name, attempt] of Object.entries(attempts)) {
      if (right === '$d' && (name === 'delete' || name === 'tombstone') && !expected.includes(name)) continue
      const stream = streamName()
      await root.appendToStream(stream, event())
      await writeMetadata(root, stream, { $acl: { ...everything, [right]: ['nobody', 'editors'] } })
      if ((await outcome(attempt(ada, stream))) === 'allowed') allowed.push(name)
    }
    expect(allowed).toEqual(expected)
  })

  test('is given to login names, to groups, to one role alone or to everybody', async () => {
    const node = await startSecuredNode(GROUPS)
    const root = clientOf(node, 'root')
    const readers = async (roles: unknown) => {
      const stream = streamName()
      await root.appendToStream(stream, event())
      await writeMetadata(root, stream, { $acl: { $r: roles } })
      const may: string[] = []
      for (const login of Object.keys(GROUPS)) {
        if ((await outcome(attempts.read(clientOf(node, login), stream))) === 'allowed') may.push(login)
      }
      return may
    }
    expect(await readers('ben')).toEqual(['admin', 'root', 'ben'])
    expect(await readers(['editors', 'eve'])).toEqual(['admin', 'root', 'ada', 'eve'])
    expect(await readers('$all')).toEqual(Object.keys(GROUPS))
    expect(await readers([])).toEqual(['admin', 'root'])
    expect(await readers(['$ops'])).toEqual(['admin', 'root'])
  })

  test('counts from the moment it is written, and goes with a soft delete', async () => {
    const node = await startSecuredNode(GROUPS)
    const [root, ada] = [clientOf(node, 'root'), clientOf(node, 'ada')]
    const stream = streamName()
    await ada.appendToStream(stream, event())
    const read = () => outcome(attempts.read(ada, stream))
    expect(await read()).toBe('allowed')
    await writeMetadata(root, stream, { $acl: { $r: 'root' } })
    expect(await read()).toBe('denied')
    await writeMetadata(root, stream, { $acl: { $r: ['root', 'ada'] } })
    expect(await read()).toBe('allowed')
    await writeMetadata(root, stream, { $acl: { $r: 'root' } })
    await root.deleteStream(stream)
    await root.appendToStream(stream, event())
    expect(await read()).toBe('allowed')
  })

  test('does not end a subscription that was allowed before', async () => {
    const node = await startSecuredNode(GROUPS)
    const [root, ada] = [clientOf(node, 'root'), clientOf(node, 'ada')]
    const stream = streamName()
    await root.appendToStream(stream, event())
    let delivered = 0
    const subscription = ada.subscribeToStream(stream).on('data', () => delivered++)
    await eventually(() => delivered === 1, 'the first event')
    await writeMetadata(root, stream, { $acl: { $r: 'root' } })
    await root.appendToStream(stream, event())
    await eventually(() => delivered === 2, 'the event behind the change')
    await subscription.unsubscribe()
  })
})

describe('by default', () => {
  test('user streams are everybody’s who has a login', async () => {
    const node = await startSecuredNode(GROUPS)
    const eve = clientOf(node, 'eve')
    for (const attempt of Object.values(attempts)) {
      const stream = streamName()
      await eve.appendToStream(stream, event())
      expect(await outcome(attempt(eve, stream))).toBe('allowed')
    }
  })

  test('system streams, their metadata and $all are for administrators', async () => {
    const node = await startSecuredNode(GROUPS)
    for (const [login, expected] of [
      ['admin', 'allowed'],
      ['root', 'allowed'],
      ['ops', 'denied'],
      ['ada', 'denied'],
    ]) {
      const client = clientOf(node, login ?? '')
      expect(await outcome(client.appendToStream(`$${streamName()}`, event()))).toBe(expected)
      expect(await outcome(allOf(client.readAll({ maxCount: 1 })))).toBe(expected)
      expect(await outcome(confirmed(client.subscribeToAll()))).toBe(expected)
      expect(await outcome(client.setStreamMetadata(`$${streamName()}`, {}))).toBe(expected)
      expect(await outcome(client.getStreamMetadata('$all'))).toBe(expected)
    }
  })

  test('nobody may write to $all or delete it, nor delete metadata', async () => {
    const node = await startSecuredNode(GROUPS)
    const admin = clientOf(node, 'admin')
    expect(await outcome(admin.appendToStream('$all', event()))).toBe('denied')
    expect(await outcome(admin.deleteStream('$all'))).toBe('denied')
    expect(await outcome(admin.deleteStream('$$s'))).toBe('denied')
    expect(await outcome(admin.tombstoneStream('$$s'))).toBe('denied')
  })

  test('callers without credentials may do nothing, though the $acl names everybody', async () => {
    const node = await startSecuredNode(GROUPS)
    const stream = streamName()
    await clientOf(node, 'root').appendToStream(stream, event())
    await writeMetadata(clientOf(node, 'root'), stream, { $acl: { $r: '$all', $w: '$all' } })
    const nobody = node.clientOf()
    for (const name of [
      'append',
      'read',
      'subscribe',
      'read metadata',
      'write metadata',
      'delete',
      'tombstone',
    ] as const)
      expect(await outcome(attempts[name](nobody, stream))).toBe('denied')
    expect(await outcome(allOf(nobody.readAll()))).toBe('denied')
  })
})

test('the metadata of $all opens it', async () => {
  const node = await startSecuredNode(GROUPS)
  await writeMetadata(clientOf(node, 'admin'), '$all', { $acl: { $r: ['$admins', 'readers'] } })
  expect(await outcome(allOf(clientOf(node, 'ben').readAll()))).toBe('allowed')
  expect(await outcome(confirmed(clientOf(node, 'ben').subscribeToAll()))).toBe('allowed')
  expect(await outcome(allOf(clientOf(node, 'ada').readAll()))).toBe('denied')
})

test('$settings changes what streams inherit that name no right of their own', async () => {
  const node = await startSecuredNode(GROUPS)
  const [admin, ada, ben] = [clientOf(node, 'admin'), clientOf(node, 'ada'), clientOf(node, 'ben')]
  const stream = streamName()
  await ben.appendToStream(stream, event())
  await writeSettings(admin, { $userStreamAcl: { $w: 'editors' }, $systemStreamAcl: { $r: 'editors' } })
  expect(await outcome(ada.appendToStream(stream, event()))).toBe('allowed')
  expect(await outcome(ben.appendToStream(stream, event()))).toBe('denied')
  expect(await outcome(attempts.read(ben, stream))).toBe('allowed')
  expect(await outcome(allOf(ada.readAll({ maxCount: 1 })))).toBe('allowed')
  expect(await outcome(allOf(ben.readAll({ maxCount: 1 })))).toBe('denied')
  await writeMetadata(admin, stream, { $acl: { $r: 'ben' } })
  expect(await outcome(ben.appendToStream(stream, event()))).toBe('denied')
  await writeMetadata(admin, stream, { $acl: { $w: 'ben' } })
  expect(await outcome(ben.appendToStream(stream, event()))).toBe('allowed')
  await writeSettings(admin, { $userStreamAcl: { nonsense: 1 } })
  expect(await outcome(ben.appendToStream(streamName(), event()))).toBe('allowed')
})

test('links are resolved for those who may read them, whatever they point to', async () => {
  const node = await startSecuredNode(GROUPS)
  const [root, ada] = [clientOf(node, 'root'), clientOf(node, 'ada')]
  const [target, links] = [streamName(), streamName()]
  await root.appendToStream(target, jsonEvent({ type: 'secret', data: {} }))
  await writeMetadata(root, target, { $acl: { $r: 'root' } })
  await ada.appendToStream(links, binaryEvent({ type: '$>', data: Buffer.from(`0@${target}`) }))
  expect(await outcome(attempts.read(ada, target))).toBe('denied')
  const types: (string | undefined)[] = []
  for await (const { event: resolved } of ada.readStream(links, { resolveLinkTos: true })) types.push(resolved?.type)
  expect(types).toEqual(['secret'])
})

/** As the document is, whatever the client's own types of it. */
async function writeMetadata(client: EventStoreDBClient, stream: string, metadata: object): Promise<void> {
  await client.appendToStream(`$$${stream}`, jsonEvent({ type: '$metadata', data: { ...metadata } }))
}

async function writeSettings(client: EventStoreDBClient, settings: object): Promise<void> {
  await client.appendToStream('$settings', jsonEvent({ type: '$settings', data: { ...settings } }))
}
