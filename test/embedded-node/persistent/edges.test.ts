import { randomUUID } from 'node:crypto'
import {
  binaryEvent,
  EventStoreDBClient,
  jsonEvent,
  type PersistentSubscriptionToStream,
  type PersistentSubscriptionToStreamSettings,
  persistentSubscriptionToStreamSettingsFromDefaults,
} from '@eventstore/db-client'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { eventStoreUrl } from '../../support/event-store.ts'
import { eventually } from '../../support/eventually.ts'
import { startSecuredNode } from '../../support/secured-node.ts'

// Where groups behave in ways that only the source of EventStoreDB 23.10 tells.

let client: EventStoreDBClient

beforeAll(async () => {
  client = EventStoreDBClient.connectionString(await eventStoreUrl())
})

afterAll(() => client.dispose())

interface Name {
  readonly stream: string
  readonly group: string
}

type Delivery = Parameters<PersistentSubscriptionToStream['ack']>[0]
type Answer = (subscription: PersistentSubscriptionToStream, event: Delivery) => Promise<void>

const fresh = (): Name => ({ stream: `s-${randomUUID()}`, group: `g-${randomUUID()}` })
const event = () => jsonEvent({ type: 't', data: { n: 1 } })
const parkedOf = ({ stream, group }: Name): string => `$persistentsubscription-${stream}::${group}-parked`

async function create(name: Name, settings: Partial<PersistentSubscriptionToStreamSettings> = {}): Promise<void> {
  const all = persistentSubscriptionToStreamSettingsFromDefaults({ startFrom: 'start', ...settings })
  await client.createPersistentSubscriptionToStream(name.stream, name.group, all)
}

const infoOf = ({ stream, group }: Name) => client.getPersistentSubscriptionToStreamInfo(stream, group)
const replay = ({ stream, group }: Name, stopAt?: number) =>
  client.replayParkedMessagesToStream(stream, group, stopAt === undefined ? {} : { stopAt })

/** A consumer that notes what it gets, and answers with `answer`. */
function consume(
  { stream, group }: Name,
  answer: Answer = (subscription, delivery) => subscription.ack(delivery),
  by = client,
) {
  const subscription = by.subscribeToPersistentSubscriptionToStream(stream, group)
  const seen = { confirmed: false, deliveries: [] as Delivery[], error: undefined as unknown }
  subscription.on('confirmation', () => {
    seen.confirmed = true
  })
  subscription.on('error', (error) => {
    seen.error = error
  })
  subscription.on('data', (delivery) => {
    seen.deliveries.push(delivery)
    answer(subscription, delivery).catch(() => {})
  })
  onTestFinished(() => subscription.unsubscribe().catch(() => {}))
  return { subscription, seen }
}

const park: Answer = (subscription, delivery) => subscription.nack('park', 'tested', delivery)

describe('a group on a tombstoned stream', () => {
  test('has what cannot be read when it starts from the start: consumers are confirmed and dropped', async () => {
    const name = fresh()
    await client.appendToStream(name.stream, event())
    await client.tombstoneStream(name.stream)
    await create(name)
    const { seen } = consume(name)
    await eventually(() => seen.error !== undefined, 'the consumer is dropped')
    expect(seen).toMatchObject({ confirmed: true, deliveries: [], error: { type: 'persistent-subscription-dropped' } })
    expect((await infoOf(name)).status).toBe('Behind, OutstandingPageRequest')
  })

  test('has nothing to read when it starts from the end', async () => {
    const name = fresh()
    await client.appendToStream(name.stream, event())
    await client.tombstoneStream(name.stream)
    await create(name, { startFrom: 'end' })
    const { seen } = consume(name)
    await eventually(() => seen.confirmed, 'the consumer is confirmed')
    expect(await infoOf(name)).toMatchObject({ status: 'Live', connections: [{ totalItems: 0n }] })
    expect(seen.error).toBeUndefined()
  })

  test('delivers the tombstone when it is live, and parks a link to it', async () => {
    const name = fresh()
    await client.appendToStream(name.stream, event())
    await create(name)
    const { seen } = consume(name, park)
    await eventually(() => seen.deliveries.length === 1, 'the event is delivered')
    await client.tombstoneStream(name.stream)
    await eventually(() => seen.deliveries.length === 2, 'the tombstone is delivered')
    expect(seen.deliveries[1]).toMatchObject({ event: { type: '$streamDeleted', revision: 2n ** 63n - 1n } })
    const links: string[] = []
    await eventually(async () => {
      links.length = 0
      for await (const { event: link } of client.readStream(parkedOf(name))) {
        links.push(Buffer.from(link?.isJson === false ? link.data : []).toString())
      }
      return links.length === 2
    }, 'both are parked')
    expect(links).toEqual([`0@${name.stream}`, `9223372036854775807@${name.stream}`])
    expect(seen.error).toBeUndefined()
  })
})

test('a group is live when its buffer holds the whole stream, though no other batch would fit', async () => {
  const name = fresh()
  await client.appendToStream(name.stream, Array.from({ length: 20 }, event))
  await create(name, { readBatchSize: 20, historyBufferSize: 21 })
  await eventually(async () => (await infoOf(name)).stats.readBufferCount === 20, 'the batch is read')
  expect((await infoOf(name)).status).toBe('Live')
})

describe('a group behind a full buffer reads on', () => {
  const settings = { historyBufferSize: 5, readBatchSize: 2, maxRetryCount: 0 }

  test('with the answers of its consumers, not with their room', async () => {
    const name = fresh()
    await client.appendToStream(name.stream, Array.from({ length: 10 }, event))
    await create(name, settings)
    await eventually(async () => (await infoOf(name)).stats.readBufferCount === 4, 'the buffer is full')
    const { subscription, seen } = consume(name, async () => {})
    await eventually(() => seen.deliveries.length === 4, 'the buffer is delivered')
    expect(await infoOf(name)).toMatchObject({ status: 'Behind', stats: { readBufferCount: 0, totalItems: 4n } })
    const [first] = seen.deliveries
    if (first !== undefined) await subscription.ack(first)
    await eventually(() => seen.deliveries.length === 10, 'the answer lets it read on')
  })

  test('when all of it was parked and no answer can come', async () => {
    const name = fresh()
    await client.appendToStream(name.stream, Array.from({ length: 10 }, event))
    await create(name, { ...settings, messageTimeout: 1 })
    const { seen } = consume(name, async () => {})
    await eventually(() => seen.deliveries.length === 10, 'everything is delivered')
  })
})

test('a group that reads less than nothing at a time drops its consumers', async () => {
  const name = fresh()
  await client.appendToStream(name.stream, event())
  await create(name, { readBatchSize: -1 })
  const { seen } = consume(name)
  await eventually(() => seen.error !== undefined, 'the consumer is dropped')
  expect(seen).toMatchObject({ confirmed: true, deliveries: [], error: { type: 'persistent-subscription-dropped' } })
})

test('a time below 0 between checkpoints is over at every tick', async () => {
  const name = fresh()
  await client.appendToStream(name.stream, event())
  await create(name, { checkPointAfter: -5, checkPointLowerBound: 1 })
  consume(name)
  await eventually(async () => (await infoOf(name)).stats.lastCheckpointedEventRevision === 0n, 'a checkpoint')
})

test('a live event that is no link is unresolved for who wants links resolved; a read one is itself', async () => {
  const name = fresh()
  const malformed = () => binaryEvent({ type: '$>', data: Buffer.from('no link') })
  await client.appendToStream(name.stream, malformed())
  await create(name, { resolveLinkTos: true })
  const { seen } = consume(name, park)
  await eventually(() => seen.deliveries.length === 1, 'the first is delivered')
  await client.appendToStream(name.stream, malformed())
  await eventually(() => seen.deliveries.length === 2, 'the second is delivered')
  const [read, live] = seen.deliveries
  expect([read?.event?.revision, read?.link?.revision]).toEqual([0n, undefined])
  expect([live?.event?.revision, live?.link?.revision]).toEqual([undefined, 1n])
})

test('a replay that stops at 0 never ends, and none begins behind it until the group is updated', async () => {
  const name = fresh()
  await client.appendToStream(name.stream, event())
  await create(name)
  const { seen } = consume(name, park)
  await eventually(async () => (await infoOf(name)).stats.parkedMessageCount === 1n, 'the event is parked')
  await replay(name, 0)
  await replay(name)
  expect((await infoOf(name)).status).toBe('ReplayingParkedMessages, Live')
  expect((await infoOf(name)).stats.parkedMessageCount).toBe(1n)
  expect(seen.deliveries).toHaveLength(1)
  const settings = persistentSubscriptionToStreamSettingsFromDefaults({ startFrom: 'end' })
  await client.updatePersistentSubscriptionToStream(name.stream, name.group, settings)
  await replay(name)
  const next = consume(name)
  await eventually(() => next.seen.deliveries.length === 1, 'the event is replayed')
})

test('a group knows its consumers by their logins', async () => {
  const node = await startSecuredNode({ admin: [] })
  const admin = node.clientOf('admin')
  const { stream, group } = fresh()
  const settings = persistentSubscriptionToStreamSettingsFromDefaults()
  await admin.createPersistentSubscriptionToStream(stream, group, settings)
  const { seen } = consume({ stream, group }, park, admin)
  await eventually(() => seen.confirmed, 'the consumer is confirmed')
  const { connections } = await admin.getPersistentSubscriptionToStreamInfo(stream, group)
  expect(connections.map(({ username }) => username)).toEqual(['admin'])
})
