import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import {
  binaryEvent,
  EventStoreDBClient,
  jsonEvent,
  type PersistentSubscriptionToStream,
  type PersistentSubscriptionToStreamSettings,
  persistentSubscriptionToAllSettingsFromDefaults,
  persistentSubscriptionToStreamSettingsFromDefaults,
  START,
  streamNameFilter,
} from '@eventstore/db-client'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { eventStoreUrl } from '../../support/event-store.ts'
import { eventually } from '../../support/eventually.ts'

let client: EventStoreDBClient

beforeAll(async () => {
  client = EventStoreDBClient.connectionString(await eventStoreUrl())
})

afterAll(() => client.dispose())

async function append(stream: string, count: number): Promise<void> {
  for (let sent = 0; sent < count; sent += 500) {
    const events = Array.from({ length: Math.min(500, count - sent) }, (_, n) => jsonEvent({ type: 't', data: { n } }))
    await client.appendToStream(stream, events)
  }
}

async function newGroup(settings: Partial<PersistentSubscriptionToStreamSettings> = {}, stream = `s-${randomUUID()}`) {
  const group = `g-${randomUUID()}`
  const all = persistentSubscriptionToStreamSettingsFromDefaults({ startFrom: 'start', ...settings })
  await client.createPersistentSubscriptionToStream(stream, group, all)
  onTestFinished(() => client.deletePersistentSubscriptionToStream(stream, group).catch(() => {}))
  return { stream, group }
}

/** A consumer that notes revisions; it answers with `answer`. */
function consumer(
  { stream, group }: { stream: string; group: string },
  answer: (
    subscription: PersistentSubscriptionToStream,
    event: Parameters<PersistentSubscriptionToStream['ack']>[0],
  ) => Promise<void> = (subscription, event) => subscription.ack(event),
  bufferSize = 20,
) {
  const subscription = client.subscribeToPersistentSubscriptionToStream(stream, group, { bufferSize })
  const revisions: number[] = []
  const errors: unknown[] = []
  subscription.on('error', (error) => errors.push(error))
  subscription.on('data', (event) => {
    revisions.push(Number((event.link ?? event.event)?.revision))
    answer(subscription, event).catch(() => {})
  })
  onTestFinished(() => subscription.unsubscribe().catch(() => {}))
  const confirmed = new Promise<void>((resolve) => subscription.once('confirmation', () => resolve()))
  return { subscription, revisions, errors, confirmed }
}

const hold = (): Promise<void> => Promise.resolve()
const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index)
const sorted = (revisions: readonly number[]): number[] => revisions.toSorted((a, b) => a - b)

test('three consumers get 10,000 events, each event once, and all have their share', async () => {
  const name = await newGroup()
  const consumers = [consumer(name), consumer(name), consumer(name)]
  await Promise.all(consumers.map(({ confirmed }) => confirmed))
  await append(name.stream, 10_000)
  const all = (): number[] => consumers.flatMap(({ revisions }) => revisions)
  await eventually(() => all().length >= 10_000, 'all are delivered', 25_000)
  expect(sorted(all())).toEqual(numbers(10_000))
  for (const { revisions } of consumers) expect(revisions.length).toBeGreaterThan(1_000)
})

test('what a killed process has not answered goes to another consumer', async () => {
  const name = await newGroup()
  await append(name.stream, 10)
  const killed = await consumerProcess(name)
  await eventually(() => killed.lines().length === 10, 'the process has all events')
  const other = consumer(name)
  await other.confirmed
  killed.process.kill('SIGKILL')
  await eventually(() => other.revisions.length === 10, 'the other consumer has them')
  expect(other.revisions).toEqual(numbers(10))
})

test('an update drops the consumers; those that come next go on from the checkpoint', async () => {
  const bounds = { checkPointLowerBound: 1, checkPointUpperBound: 1 }
  const name = await newGroup(bounds)
  await append(name.stream, 6)
  const before = consumer(name, (subscription, event) =>
    event.event?.revision === 0n ? subscription.ack(event) : hold(),
  )
  await eventually(async () => {
    const { stats } = await client.getPersistentSubscriptionToStreamInfo(name.stream, name.group)
    return stats.lastCheckpointedEventRevision === 0n
  }, 'there is a checkpoint')
  const settings = persistentSubscriptionToStreamSettingsFromDefaults({
    ...bounds,
    startFrom: 'start',
    maxRetryCount: 3,
  })
  await client.updatePersistentSubscriptionToStream(name.stream, name.group, settings)
  await eventually(() => before.errors.length > 0, 'the consumer is dropped')
  expect(before.errors).toMatchObject([{ type: 'persistent-subscription-dropped' }])
  const after = consumer(name)
  await eventually(() => after.revisions.length === 5, 'the next consumer has the rest')
  expect(after.revisions).toEqual([1, 2, 3, 4, 5])
})

test('pinned: events of a stream stay with their consumer, and another gets other streams', async () => {
  const prefix = randomUUID()
  const links = `links-${prefix}`
  for (const stream of numbers(20)) {
    await client.appendToStream(
      `${prefix}-${stream}`,
      [0, 1, 2, 3].map((n) => jsonEvent({ type: 't', data: { n } })),
    )
  }
  const name = await newGroup({ consumerStrategyName: 'Pinned', resolveLinkTos: true }, links)
  const owners = new Map<string, Set<number>>()
  const consumers = [0, 1].map((owner) =>
    consumer(name, (subscription, event) => {
      const stream = event.event?.streamId ?? ''
      owners.set(stream, (owners.get(stream) ?? new Set()).add(owner))
      return subscription.ack(event)
    }),
  )
  await Promise.all(consumers.map(({ confirmed }) => confirmed))
  for (const revision of [0, 1, 2, 3]) {
    const to = numbers(20).map((stream) => `${revision}@${prefix}-${stream}`)
    await client.appendToStream(
      links,
      to.map((target) => binaryEvent({ type: '$>', data: Buffer.from(target) })),
    )
  }
  await eventually(() => consumers.flatMap(({ revisions }) => revisions).length === 80, 'all are delivered')
  expect([...owners.values()].map(({ size }) => size)).toEqual(Array(20).fill(1))
  for (const { revisions } of consumers) expect(revisions.length).toBe(40)
})

test('tells of the group and its consumers while they work', async () => {
  const name = await newGroup({ extraStatistics: true, checkPointLowerBound: 1, checkPointUpperBound: 2 })
  await append(name.stream, 8)
  const slow = consumer(
    name,
    (subscription, event) => ((event.event?.revision ?? 0n) < 4n ? subscription.ack(event) : hold()),
    3,
  )
  const info = () => client.getPersistentSubscriptionToStreamInfo(name.stream, name.group)
  await eventually(async () => (await info()).stats.lastCheckpointedEventRevision === 3n, 'four events are done')
  await eventually(() => slow.revisions.length === 7, 'three more are in flight')
  const { connections, stats, status } = await info()
  expect(status).toBe('Live')
  expect(stats).toMatchObject({
    totalItems: 7n,
    totalInFlightMessages: 3,
    outstandingMessagesCount: 3,
    readBufferCount: 1,
    retryBufferCount: 0,
    parkedMessageCount: 0n,
    lastKnownEventRevision: 7n,
  })
  expect(connections).toMatchObject([{ totalItems: 7n, inFlightMessages: 3, availableSlots: 0, username: 'system' }])
  const measured = connections[0]?.extraStatistics
  expect([...(measured?.keys() ?? [])]).toEqual([
    ...['mean', 'median', 'fastest', 'quintile 1', 'quintile 2', 'quintile 3', 'quintile 4', 'quintile 5'],
    ...['90%', '95%', '99%', '99.5%', '99.9%', 'highest'],
  ])
  expect((await info()).stats.countSinceLastMeasurement).toBe(0n)
})

test('large events that nobody reads off the wire do not pile up', async () => {
  const name = await newGroup()
  const data = { filling: 'x'.repeat(900_000) }
  for (let n = 0; n < 60; n++) await client.appendToStream(name.stream, jsonEvent({ type: 't', data }))
  const subscription = client.subscribeToPersistentSubscriptionToStream(name.stream, name.group, {
    bufferSize: 100_000,
  })
  onTestFinished(() => subscription.unsubscribe())
  await new Promise((resolve) => subscription.once('confirmation', resolve))
  const seen: bigint[] = []
  for await (const event of subscription) {
    seen.push(event.event?.revision ?? -1n)
    await subscription.ack(event)
    if (seen.length === 60) break
  }
  expect(seen.map(Number)).toEqual(numbers(60))
})

test('$all through a filter, from a position on; what the group writes itself is not in $all', async () => {
  const prefix = randomUUID()
  const group = `g-${prefix}`
  const settings = { startFrom: START, checkPointLowerBound: 1, checkPointUpperBound: 1 } as const
  const filter = streamNameFilter({ prefixes: [prefix] })
  await client.createPersistentSubscriptionToAll(group, persistentSubscriptionToAllSettingsFromDefaults(settings), {
    filter,
  })
  onTestFinished(() => client.deletePersistentSubscriptionToAll(group))
  await append(`${prefix}-a`, 3)
  await append(`other-${prefix}`, 3)
  await append(`${prefix}-b`, 2)
  const subscription = client.subscribeToPersistentSubscriptionToAll(group)
  onTestFinished(() => subscription.unsubscribe())
  const seen: string[] = []
  for await (const event of subscription) {
    seen.push(`${event.event?.streamId}/${event.event?.revision}`)
    if (event.event?.streamId.endsWith('a') === true) await subscription.ack(event)
    else await subscription.nack('park', 'why not', event)
    if (seen.length === 5) break
  }
  expect(seen).toEqual([...[0, 1, 2].map((n) => `${prefix}-a/${n}`), ...[0, 1].map((n) => `${prefix}-b/${n}`)])
  const parked = `$persistentsubscription-$all::${group}-parked`
  await eventually(async () => {
    const { stats } = await client.getPersistentSubscriptionToAllInfo(group)
    return stats.parkedMessageCount === 2n && stats.lastCheckpointedEventPosition !== undefined
  }, 'two are parked')
  const links = []
  for await (const { event, link } of client.readStream(parked, { resolveLinkTos: true })) links.push({ event, link })
  expect(links).toMatchObject([
    {
      event: { revision: 0n },
      link: { type: '$>', metadata: { reason: "Client explicitly NAK'ed message.\nwhy not" } },
    },
    { event: { revision: 1n }, link: { metadata: { subscriptionEventNumber: 1 } } },
  ])
  const own = new Set<string>()
  for await (const { event } of client.readAll({ fromPosition: START })) {
    if (event?.streamId.includes(group) === true) own.add(event.streamId)
  }
  expect([...own].filter((stream) => !stream.startsWith('$$'))).toEqual([])
}, 30_000)

interface ConsumerProcess {
  readonly process: ChildProcess
  lines(): string[]
}

const CLIENT = import.meta.resolve('@eventstore/db-client')
const PROGRAM = `
  const { default: { EventStoreDBClient } } = await import(${JSON.stringify(CLIENT)})
  const [url, stream, group] = process.argv.slice(1)
  const client = EventStoreDBClient.connectionString(url)
  const subscription = client.subscribeToPersistentSubscriptionToStream(stream, group, { bufferSize: 100 })
  for await (const { event } of subscription) console.log(event.revision)
`

/** A process that takes events and answers none. */
async function consumerProcess({ stream, group }: { stream: string; group: string }): Promise<ConsumerProcess> {
  const parameters = ['--input-type=module', '-e', PROGRAM, await eventStoreUrl(), stream, group]
  const child = spawn(process.execPath, parameters, { stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  child.stdout.on('data', (chunk) => {
    output += chunk
  })
  onTestFinished(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  })
  return { process: child, lines: () => output.split('\n').filter((line) => line !== '') }
}
