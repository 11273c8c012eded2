import { randomUUID } from 'node:crypto'
import {
  binaryEvent,
  EventStoreDBClient,
  jsonEvent,
  persistentSubscriptionToStreamSettingsFromDefaults,
} from '@eventstore/db-client'
import { afterAll, describe, expect, it, onTestFinished } from 'vitest'
import type { RecordedEvent } from '../../src/cqrs/event.ts'
import { StoreUnavailable } from '../../src/cqrs/event-store.ts'
import { NotReadable } from '../../src/cqrs/store-explorer.ts'
import { connectEventStore } from '../../src/eventstoredb/event-store.ts'
import { eventStoreUrl } from '../support/event-store.ts'

const url = await eventStoreUrl()
const store = connectEventStore(url)
const client = EventStoreDBClient.connectionString(url)
afterAll(() => Promise.all([store.close(), client.dispose()]))

const events = (count: number) => Array.from({ length: count }, (_, index) => jsonEvent({ type: 't', data: { index } }))

async function written(count: number): Promise<string> {
  const stream = `explored-${randomUUID()}`
  await client.appendToStream(stream, events(count))
  return stream
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = []
  for await (const item of items) list.push(item)
  return list
}

describe('pages of a stream', () => {
  it('are newest first, from the end, before a number, and after one', async () => {
    const stream = await written(5)
    const numbers = async (from: Parameters<typeof store.streamPage>[1], maxCount: number) =>
      (await store.streamPage(stream, from, maxCount)).map(({ event }) => event?.number)
    expect(await numbers('newest', 2)).toEqual([5, 4])
    expect(await numbers({ before: 4 }, 2)).toEqual([3, 2])
    expect(await numbers({ before: 1 }, 2)).toEqual([])
    expect(await numbers({ after: 0 }, 2)).toEqual([2, 1])
    expect(await numbers({ after: 3 }, 9)).toEqual([5, 4])
    expect(await numbers({ after: 5 }, 9)).toEqual([])
  })

  it('follow links, and keep those whose target is gone', async () => {
    const stream = await written(2)
    const links = `links-${randomUUID()}`
    const linkTo = (target: string) => binaryEvent({ type: '$>', data: Buffer.from(target) })
    await client.appendToStream(links, [linkTo(`1@${stream}`), linkTo(`7@${stream}`)])
    const [gone, found] = await store.streamPage(links, 'newest', 9)
    expect(found).toMatchObject({ link: { stream: links, number: 1 }, event: { stream, number: 2 } })
    expect(gone).toMatchObject({ link: { stream: links, number: 2 }, event: undefined })
    const [raw] = await all(store.unfollowed(links, 1))
    expect(Buffer.from(raw?.data instanceof Uint8Array ? raw.data : []).toString()).toBe(`7@${stream}`)
  })

  it('of what never was are empty, and of a tombstone say so, with the store in contact', async () => {
    expect(await store.streamPage(`explored-${randomUUID()}`, 'newest', 9)).toEqual([])
    const stream = await written(1)
    await client.tombstoneStream(stream)
    await store.lastPosition()
    await expect(store.streamPage(stream, 'newest', 9)).rejects.toThrow(new NotReadable(stream, 'deleted'))
    expect(store.isConnected()).toBe(true)
  })
})

it('the log is read backwards from its end, and from a position, which is not read again', async () => {
  const stream = await written(3)
  const mine = (list: readonly RecordedEvent[]) => list.filter((event) => event.stream === stream)
  const [third, second] = mine(await all(store.logBackwards(undefined, 200)))
  expect([third?.number, second?.number]).toEqual([3, 2])
  const before = mine(await all(store.logBackwards(second?.position, 200)))
  expect(before.map(({ number }) => number)).toEqual([1])
})

it('the log is followed from now on until the signal', async () => {
  const old = await written(1)
  const stop = new AbortController()
  const stream = `explored-${randomUUID()}`
  const seen: RecordedEvent[] = []
  const isLive = () => void client.appendToStream(stream, events(2))
  for await (const event of store.followLog(stop.signal, isLive)) {
    seen.push(event)
    if (event.stream === stream && event.number === 2) stop.abort()
  }
  expect(seen.filter((event) => event.stream === stream).map(({ number }) => number)).toEqual([1, 2])
  expect(seen.some((event) => event.stream === old)).toBe(false)
})

it('consumer groups are listed with what they have parked', async () => {
  const stream = await written(2)
  const group = 'group'
  await client.createPersistentSubscriptionToStream(stream, group, {
    ...persistentSubscriptionToStreamSettingsFromDefaults(),
    startFrom: 'start',
  })
  const subscription = client.subscribeToPersistentSubscriptionToStream(stream, group)
  onTestFinished(() => subscription.unsubscribe())
  let parked = 0
  for await (const event of subscription) {
    await subscription.nack('park', 'a reason', event)
    if (++parked === 2) break
  }
  const mine = async () => (await store.groups()).find(({ source }) => source === stream)
  await expect.poll(async () => (await mine())?.parked).toBe(2)
  const found = await mine()
  expect(found).toMatchObject({ name: group, inFlight: 0 })
  const links = await store.streamPage(found?.parkedStream ?? '', 'newest', 9)
  expect(links.map(({ event }) => event?.number)).toEqual([2, 1])
})

it('a store that is away is told from one that has nothing', async () => {
  const away = connectEventStore('esdb://127.0.0.1:1?tls=false', { deadline: 500 })
  onTestFinished(() => away.close())
  await expect(away.streamPage('x', 'newest', 1)).rejects.toThrow(StoreUnavailable)
  await expect(away.groups()).rejects.toThrow(StoreUnavailable)
  await expect(all(away.logBackwards(undefined, 1))).rejects.toThrow(StoreUnavailable)
  await expect(all(away.followLog(new AbortController().signal, () => undefined))).rejects.toThrow(StoreUnavailable)
})
