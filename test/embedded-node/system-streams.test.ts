import { join } from 'node:path'
import {
  BACKWARDS,
  binaryEvent,
  END,
  EventStoreDBClient,
  jsonEvent,
  NO_STREAM,
  persistentSubscriptionToStreamSettingsFromDefaults,
  type ReadStreamOptions,
  type ResolvedEvent,
  START,
} from '@eventstore/db-client'
import Database from 'better-sqlite3'
import { describe, expect, onTestFinished, test } from 'vitest'
import { startNode } from '../support/embedded-node.ts'
import { eventually } from '../support/eventually.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

// The events are those of the system projections of EventStoreDB 23.10 (EventStore.Projections.Core/Standard). A real
// server computes them late and only where they are enabled, so these tests start nodes of their own.

async function runningClient(
  dataDir = temporaryFolder(),
): Promise<{ client: EventStoreDBClient; stop(): Promise<void> }> {
  const node = await startNode({ dataDir, port: 0 })
  const client = EventStoreDBClient.connectionString(`esdb://${node.address}?tls=false`)
  const stop = async (): Promise<void> => {
    await client.dispose()
    await node.close()
  }
  onTestFinished(stop)
  return { client, stop }
}

const event = (type: string) => jsonEvent({ type, data: {} })
const append = (client: EventStoreDBClient, stream: string, ...types: string[]) =>
  client.appendToStream(stream, types.map(event))

async function read(
  client: EventStoreDBClient,
  stream: string,
  options: ReadStreamOptions = {},
): Promise<ResolvedEvent[]> {
  const events: ResolvedEvent[] = []
  for await (const each of client.readStream(stream, options)) events.push(each)
  return events
}

const text = (data: unknown): string =>
  data instanceof Uint8Array ? Buffer.from(data).toString() : JSON.stringify(data)
/** `0: 3@user-1` for a link at revision 0. */
const asLink = ({ event: link }: ResolvedEvent): string => `${link?.revision}: ${text(link?.data)}`
const links = async (client: EventStoreDBClient, stream: string): Promise<string[]> =>
  (await read(client, stream)).map(asLink)

describe('a category', () => {
  test('links the events of all streams that begin with it and a dash, in the order of the log', async () => {
    const { client } = await runningClient()
    await append(client, 'user-1', 'A', 'B')
    await append(client, 'user-2-x', 'A')
    await append(client, 'user', 'A')
    await append(client, '-1', 'A')
    await append(client, 'users-1', 'A')
    await append(client, 'user-1', 'C')
    expect(await links(client, '$ce-user')).toEqual(['0: 0@user-1', '1: 1@user-1', '2: 0@user-2-x', '3: 2@user-1'])
    expect(await links(client, '$ce-users')).toEqual(['0: 0@users-1'])
    const [first] = await read(client, '$ce-user')
    const [target] = await read(client, 'user-1')
    expect(first?.event).toMatchObject({ streamId: '$ce-user', type: '$>', isJson: false })
    expect(first?.event?.created).toEqual(target?.event?.created)
    expect(JSON.parse(text(first?.event?.metadata))).toMatchObject({ $o: 'user-1', $causedBy: target?.event?.id })
  })

  test('takes over the target of a link, and has the deletion of a stream', async () => {
    const { client } = await runningClient()
    await append(client, 'a-1', 'A')
    await client.appendToStream('list-1', binaryEvent({ type: '$>', data: Buffer.from('0@a-1') }))
    await client.deleteStream('a-1')
    await append(client, 'a-2', 'A')
    await client.tombstoneStream('a-2')
    expect(await links(client, '$ce-list')).toEqual(['0: 0@a-1'])
    expect(await links(client, '$ce-a')).toEqual(['0: 0@a-1', '1: 0@$$a-1', '2: 0@a-2', '3: 9223372036854775807@a-2'])
    const deletions = (await read(client, '$ce-a')).map((each) => JSON.parse(text(each.event?.metadata)).$deleted)
    expect(deletions).toEqual([undefined, -1, undefined, -1])
  })
})

test('an event type links all events of that type but those of system streams', async () => {
  const { client } = await runningClient()
  await append(client, 'user-1', 'A', 'B')
  await append(client, 'other', 'A')
  await append(client, '$system', 'A')
  await client.appendToStream('list', binaryEvent({ type: '$>', data: Buffer.from('0@other') }))
  await client.setStreamMetadata('user-1', { maxCount: 5 })
  await client.deleteStream('other')
  expect(await links(client, '$et-A')).toEqual(['0: 0@user-1', '1: 0@other'])
  expect(await links(client, '$et-$metadata')).toEqual(['0: 0@user-1'])
  expect(await links(client, '$et-$deleted')).toEqual(['0: 0@other'])
  await expect(links(client, '$et-$>')).rejects.toMatchObject({ type: 'stream-not-found' })
})

test('$streams links the first event of each stream, of its metadata as well', async () => {
  const { client } = await runningClient()
  await append(client, 'user-1', 'A', 'B')
  await append(client, '$system', 'A')
  await client.setStreamMetadata('user-1', { maxCount: 5 })
  await append(client, 'b', 'A')
  expect(await links(client, '$streams')).toEqual(['0: 0@user-1', '1: 0@$$user-1', '2: 0@b'])
})

describe('a read', () => {
  test('goes both ways, from any revision, up to a count', async () => {
    const { client } = await runningClient()
    await append(client, 'user-1', ...Array.from({ length: 1200 }, (_, index) => `T${index}`))
    const revisions = async (options: ReadStreamOptions): Promise<number[]> =>
      (await read(client, '$ce-user', options)).map((each) => Number(each.event?.revision))
    expect(await revisions({})).toEqual(Array.from({ length: 1200 }, (_, index) => index))
    expect(await revisions({ fromRevision: 1198n })).toEqual([1198, 1199])
    expect(await revisions({ fromRevision: 600n, maxCount: 2 })).toEqual([600, 601])
    expect(await revisions({ fromRevision: 1300n })).toEqual([])
    expect(await revisions({ direction: BACKWARDS, fromRevision: END, maxCount: 3 })).toEqual([1199, 1198, 1197])
    expect(await revisions({ direction: BACKWARDS, fromRevision: 1n })).toEqual([1, 0])
    expect((await revisions({ direction: BACKWARDS, fromRevision: END })).length).toBe(1200)
  })

  test('resolves links; of a deleted stream only the link is left', async () => {
    const { client } = await runningClient()
    await append(client, 'user-1', 'A')
    await append(client, 'user-2', 'B')
    await client.deleteStream('user-1')
    const resolved = await read(client, '$ce-user', { resolveLinkTos: true })
    expect(resolved.map((each) => [each.link?.revision, each.event?.streamId, each.event?.type])).toEqual([
      [0n, undefined, undefined],
      [1n, 'user-2', 'B'],
      [2n, '$$user-1', '$metadata'],
    ])
  })

  test('finds no stream where there are no events, and no metadata', async () => {
    const { client } = await runningClient()
    for (const stream of ['$ce-none', '$et-None', '$streams', '$ce-']) {
      await expect(links(client, stream)).rejects.toMatchObject({ type: 'stream-not-found' })
    }
    await append(client, 'user-1', 'A')
    expect(await links(client, '$ce-user')).toEqual(['0: 0@user-1'])
    expect(await client.getStreamMetadata('$ce-user')).toEqual({ streamName: '$ce-user' })
  })

  test('of $all does not show computed links', async () => {
    const { client } = await runningClient()
    await append(client, 'user-1', 'A')
    await links(client, '$ce-user')
    const types: string[] = []
    for await (const { event: each } of client.readAll()) types.push(each?.type ?? '')
    expect(types).toEqual(['$metadata', 'A'])
  })
})

test('a link keeps its revision, its id and its position over a restart', async () => {
  const dataDir = temporaryFolder()
  const first = await runningClient(dataDir)
  await append(first.client, 'user-1', 'A', 'B')
  const before = await read(first.client, '$ce-user')
  await append(first.client, 'user-2', 'A')
  await first.stop()
  const { client } = await runningClient(dataDir)
  const after = await read(client, '$ce-user')
  expect(after.slice(0, 2)).toEqual(before)
  expect(after.map(asLink)).toEqual(['0: 0@user-1', '1: 1@user-1', '2: 0@user-2'])
})

test('the index begins with the first read; writers do nothing for it', async () => {
  const dataDir = temporaryFolder()
  const tables = (): unknown[] => {
    const database = new Database(join(dataDir, 'eventstore.sqlite'), { readonly: true })
    const names = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").pluck().all()
    database.close()
    return names
  }
  const { client } = await runningClient(dataDir)
  await append(client, 'user-1', 'A')
  await client.getStreamMetadata('$ce-user')
  expect(tables()).toEqual(['event', 'position_taken'])
  await links(client, '$ce-user')
  expect(tables()).toEqual(['event', 'link', 'link_origin', 'link_position', 'link_stream', 'position_taken'])
})

describe('a subscription', () => {
  function collect(
    client: EventStoreDBClient,
    stream: string,
    options: object = {},
  ): { got: string[]; live(): boolean } {
    const got: string[] = []
    let isLive = false
    const subscription = client.subscribeToStream(stream, options)
    subscription.on('data', (each) => void got.push(asLink(each)))
    subscription.on('caughtUp', () => {
      isLive = true
    })
    subscription.on('error', () => {})
    onTestFinished(() => subscription.unsubscribe())
    return { got, live: () => isLive }
  }

  test('gets what was there and then what comes', async () => {
    const { client } = await runningClient()
    await append(client, 'user-1', 'A', 'B')
    const all = collect(client, '$ce-user', { fromRevision: START })
    const fromFirst = collect(client, '$ce-user', { fromRevision: 0n })
    const fromEnd = collect(client, '$et-A', { fromRevision: END })
    await eventually(() => all.live() && fromFirst.live() && fromEnd.live(), 'the subscriptions are live')
    await append(client, 'user-2', 'A')
    await append(client, 'other-2', 'A')
    await append(client, 'user-1', 'A')
    const expected = ['0: 0@user-1', '1: 1@user-1', '2: 0@user-2', '3: 2@user-1']
    await eventually(() => all.got.length === 4 && fromFirst.got.length === 3 && fromEnd.got.length === 3, 'all arrive')
    expect(all.got).toEqual(expected)
    expect(fromFirst.got).toEqual(expected.slice(1))
    expect(fromEnd.got).toEqual(['1: 0@user-2', '2: 0@other-2', '3: 2@user-1'])
  })

  test('begins with the first event of a category that had none', async () => {
    const { client } = await runningClient()
    const { got } = collect(client, '$ce-late')
    const early = collect(client, '$streams')
    await append(client, 'late-1', 'A')
    await append(client, 'late-2', 'A')
    await eventually(() => got.length === 2 && early.got.length === 2, 'both arrive')
    expect(got).toEqual(['0: 0@late-1', '1: 0@late-2'])
  })

  test('misses and repeats nothing while many write and others read', async () => {
    const { client } = await runningClient()
    const early = collect(client, '$ce-load')
    const writing = Array.from({ length: 32 }, async (_, writer) => {
      for (let turn = 0; turn < 25; turn++) {
        await append(client, `load-${writer}-${turn}`, ...Array.from({ length: 10 }, () => 'A'))
      }
    })
    await eventually(() => early.got.length > 1_000, 'some have arrived')
    const late = collect(client, '$ce-load')
    const counted = await links(client, '$ce-load')
    await Promise.all(writing)
    const all = await links(client, '$ce-load')
    expect(all.length).toBe(8_000)
    expect(all.map((link) => Number.parseInt(link, 10))).toEqual(Array.from({ length: 8_000 }, (_, index) => index))
    expect(counted).toEqual(all.slice(0, counted.length))
    await eventually(() => early.got.length >= 8_000 && late.got.length >= 8_000, 'all have arrived', 30_000)
    expect(early.got).toEqual(all)
    expect(late.got).toEqual(all)
  }, 60_000)
})

test('a persistent subscription consumes the events of a category', async () => {
  const { client } = await runningClient()
  await append(client, 'user-1', 'a', 'b')
  const settings = persistentSubscriptionToStreamSettingsFromDefaults({ startFrom: START, resolveLinkTos: true })
  await client.createPersistentSubscriptionToStream('$ce-user', 'g', settings)
  const consumer = client.subscribeToPersistentSubscriptionToStream('$ce-user', 'g')
  const seen: string[] = []
  consumer.on('data', (delivered) => {
    seen.push(`${delivered.event?.streamId} ${delivered.event?.type}`)
    void consumer.ack(delivered)
  })
  consumer.on('error', () => {})
  onTestFinished(() => consumer.unsubscribe())
  await eventually(() => seen.length === 2, 'what was there')
  await append(client, 'user-2', 'c')
  await append(client, 'other-1', 'd')
  await append(client, 'user-1', 'e')
  await eventually(() => seen.length === 4, 'what comes')
  expect(seen).toEqual(['user-1 a', 'user-1 b', 'user-2 c', 'user-1 e'])
})

describe('a write', () => {
  test('is refused as access denied, whatever the way', async () => {
    const { client } = await runningClient()
    await append(client, 'user-1', 'A')
    const denied = { type: 'access-denied' }
    const inOneCall = { credentials: { username: 'u', password: 'p' } }
    for (const stream of ['$ce-user', '$et-A', '$streams', '$ce-new']) {
      await expect(append(client, stream, 'A')).rejects.toMatchObject(denied)
      await expect(client.appendToStream(stream, event('A'), inOneCall)).rejects.toMatchObject(denied)
      await expect(client.deleteStream(stream)).rejects.toMatchObject(denied)
      await expect(client.tombstoneStream(stream, { expectedRevision: NO_STREAM })).rejects.toMatchObject(denied)
      await expect(client.setStreamMetadata(stream, { maxCount: 1 })).rejects.toMatchObject(denied)
    }
    expect(await links(client, '$ce-user')).toEqual(['0: 0@user-1'])
    await append(client, '$category', 'A')
  })
})
