import { randomUUID } from 'node:crypto'
import {
  END,
  EventStoreDBClient,
  type Filter,
  jsonEvent,
  type Position,
  type ReadPosition,
  START,
  streamNameFilter,
} from '@eventstore/db-client'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { eventStoreUrl } from '../support/event-store.ts'
import { eventually } from '../support/eventually.ts'

// More than a live subscription keeps for a client that does not read (subscription.ts).
const MANY = 6_000

let client: EventStoreDBClient

beforeAll(async () => {
  client = EventStoreDBClient.connectionString(await eventStoreUrl())
})

afterAll(() => client.dispose())

/** Appends numbered events to the stream, in calls of at most 500, and returns the position of the last. */
async function append(stream: string, count: number, first = 0): Promise<Position | undefined> {
  let position: Position | undefined
  for (let sent = 0; sent < count; sent += 500) {
    const numbers = Array.from({ length: Math.min(500, count - sent) }, (_, index) => first + sent + index)
    const events = numbers.map((n) => jsonEvent({ type: 'numbered', data: { n, filling: 'x'.repeat(300) } }))
    position = (await client.appendToStream(stream, events)).position
  }
  return position
}

const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index)

/** Subscribes to `$all` and collects what it delivers, from the first `start` on. */
function collector(from: ReadPosition, filter: Filter | undefined) {
  const subscription = client.subscribeToAll({ fromPosition: from, ...(filter === undefined ? {} : { filter }) })
  onTestFinished(() => subscription.unsubscribe())
  const seen = { events: [] as { stream: string; revision: number }[], caughtUp: 0, confirmed: false }
  subscription.on('error', () => {})
  subscription.once('confirmation', () => {
    seen.confirmed = true
  })
  subscription.on('caughtUp', () => {
    seen.caughtUp++
  })
  const start = (): void => {
    subscription.on('data', ({ event }) => {
      if (event !== undefined) seen.events.push({ stream: event.streamId, revision: Number(event.revision) })
    })
  }
  return { seen, start }
}

describe('a subscription that the client reads slowly', () => {
  test('to $all gets every event once and in order, when it reads again', async () => {
    const stream = `slow-all-${randomUUID()}`
    const { seen, start } = collector(END, undefined)
    await eventually(() => seen.confirmed, 'it is confirmed')
    await append(stream, MANY)
    start()
    await append(stream, 10, MANY)
    const ours = (): number[] => seen.events.filter((event) => event.stream === stream).map((event) => event.revision)
    await eventually(() => ours().length >= MANY + 10, 'all events have come')
    expect(ours()).toEqual(numbers(MANY + 10))
  })

  test('to a stream gets every event once and in order, when it reads again', async () => {
    const stream = `slow-${randomUUID()}`
    await append(stream, 1)
    const subscription = client.subscribeToStream(stream, { fromRevision: START })
    onTestFinished(() => subscription.unsubscribe())
    await new Promise((resolve) => subscription.once('confirmation', resolve))
    await append(stream, MANY, 1)
    const revisions: number[] = []
    subscription.on('data', ({ event }) => void revisions.push(Number(event?.revision)))
    await append(stream, 10, MANY + 1)
    await eventually(() => revisions.length >= MANY + 11, 'all events have come')
    expect(revisions).toEqual(numbers(MANY + 11))
  })

  test('sees the end of the stream behind all events, when it was tombstoned meanwhile', async () => {
    const stream = `slow-end-${randomUUID()}`
    await append(stream, 1)
    const subscription = client.subscribeToStream(stream, { fromRevision: START })
    await new Promise((resolve) => subscription.once('confirmation', resolve))
    await append(stream, MANY, 1)
    await client.tombstoneStream(stream)
    const types: string[] = []
    const failure = new Promise((resolve) => subscription.once('error', resolve))
    subscription.on('data', ({ event }) => void types.push(event?.type ?? ''))
    expect(await failure).toMatchObject({ type: 'stream-deleted', streamName: stream })
    expect(types).toHaveLength(MANY + 2)
    expect(types.at(-1)).toBe('$streamDeleted')
  })
})

test('events that are written while a subscription catches up come once and in order', async () => {
  const stream = `racing-${randomUUID()}`
  await append(stream, 2_000)
  const { seen, start } = collector(START, streamNameFilter({ prefixes: [stream] }))
  start()
  await append(stream, 2_000, 2_000)
  await eventually(() => seen.events.length >= 4_000, 'all events have come')
  expect(seen.events.map((event) => event.revision)).toEqual(numbers(4_000))
  expect(seen.caughtUp).toBe(1)
})

describe('a filtered subscription to $all', () => {
  test('says about every interval how far it has come, though nothing passes the filter', async () => {
    const stream = `unseen-${randomUUID()}`
    const before = await append(stream, 1)
    const last = await append(stream, 384, 1)
    if (before === undefined || last === undefined) throw new Error('An append has no position')
    const checkpoints: bigint[] = []
    const filter = streamNameFilter({
      prefixes: ['there is no such stream'],
      maxSearchWindow: 32,
      checkpointInterval: 2,
      checkpointReached: (_, { commit }) => void checkpoints.push(commit),
    })
    const { seen, start } = collector(before, filter)
    start()
    await eventually(() => seen.caughtUp === 1, 'it has caught up')
    const ofOurs = checkpoints.filter((commit) => commit <= last.commit)
    expect(ofOurs.length).toBeGreaterThanOrEqual(6)
    expect(checkpoints).toEqual([...checkpoints].sort((a, b) => Number(a - b)))
    expect(new Set(checkpoints).size).toBe(checkpoints.length)
    expect(seen.events).toEqual([])
  })

  test('gives checkpoints while it is live, each behind the events before it', async () => {
    const stream = `live-${randomUUID()}`
    const order: bigint[] = []
    const filter = streamNameFilter({
      prefixes: [stream],
      maxSearchWindow: 10,
      checkpointInterval: 1,
      checkpointReached: (_, { commit }) => void order.push(commit),
    })
    const subscription = client.subscribeToAll({ fromPosition: END, filter })
    onTestFinished(() => subscription.unsubscribe())
    await new Promise((resolve) => subscription.once('caughtUp', resolve))
    subscription.on('data', ({ event }) => void order.push(event?.position?.commit ?? 0n))
    await append(stream, 50)
    await eventually(() => order.length >= 55, '50 events and 5 checkpoints have come')
    expect(order).toEqual([...order].sort((a, b) => Number(a - b)))
  })

  test('resumes behind a checkpoint without a gap', async () => {
    const stream = `resumed-${randomUUID()}`
    const first = await append(stream, 100)
    if (first === undefined) throw new Error('An append has no position')
    await append(stream, 100, 100)
    const { seen, start } = collector(first, streamNameFilter({ prefixes: [stream] }))
    start()
    await eventually(() => seen.events.length >= 100, 'the rest has come')
    expect(seen.events.map((event) => event.revision)).toEqual(numbers(200).slice(100))
  })
})
