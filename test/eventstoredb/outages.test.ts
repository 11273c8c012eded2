import { randomUUID } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { RawEvent } from '../../src/cqrs/event.ts'
import { connectEventStore, type EventStore } from '../../src/eventstoredb/event-store.ts'
import { startProxy, type ToxicProxy } from '../faults/proxy.ts'
import { eventStoreUrl } from '../support/event-store.ts'
import { eventually } from '../support/eventually.ts'

/** One node without TLS can be put behind a proxy; clients of a cluster go past it, to the nodes themselves. */
const proxied = /^esdb:\/\/([^@/?,]+@)?([^:/?,]+):(\d+)\/?\?.*\btls=false\b/.exec(await eventStoreUrl())
const [, , host = '', port = '0'] = proxied ?? []

let proxy: ToxicProxy
let store: EventStore

beforeEach(async () => {
  proxy = await startProxy({ host, port: Number(port) })
  store = connectEventStore(`esdb://127.0.0.1:${proxy.port}?tls=false`, { deadline: 2_000 })
})

afterEach(async () => {
  await store.close()
  await proxy.close()
})

describe.skipIf(!proxied)('while the event store (a single node without TLS) does not answer', () => {
  it('an append whose reply is lost is repeated and appended once', async () => {
    const stream = aStream()
    await store.append(aStream(), [anEvent()], 'new')
    proxy.add({ type: 'timeout', timeout: 0 })
    const append = store.append(stream, [anEvent()], 'new')
    await isAppended(stream)
    proxy.reset()
    expect(await append).toMatchObject({ lastNumber: 1 })
    expect(await numbersOf(store, stream)).toEqual([1])
  })

  it.each(['freeze', 'down'] as const)(
    'an append ends within its deadline with an unknown outcome (%s)',
    async (fault) => {
      await store.append(aStream(), [anEvent()], 'new')
      proxy[fault]()
      const started = performance.now()
      const failure = { name: 'StoreUnavailable', outcome: 'unknown' }
      await expect(store.append(aStream(), [anEvent()], 'new')).rejects.toMatchObject(failure)
      expect(performance.now() - started).toBeLessThan(4_000)
    },
  )

  it.each(['freeze', 'down'] as const)('a read ends within its deadline (%s)', async (fault) => {
    await store.append(aStream(), [anEvent()], 'new')
    proxy[fault]()
    await expect(numbersOf(store, aStream())).rejects.toMatchObject({ name: 'StoreUnavailable' })
    await expect(store.lastPosition()).rejects.toMatchObject({ name: 'StoreUnavailable' })
  })

  it.each(['freeze', 'down'] as const)('it is used again as soon as it is back (%s)', async (fault) => {
    await store.append(aStream(), [anEvent()], 'new')
    proxy[fault]()
    await expect(store.append(aStream(), [anEvent()], 'new')).rejects.toThrow()
    proxy.reset()
    expect(await store.append(aStream(), [anEvent()], 'new')).toMatchObject({ lastNumber: 1 })
    await expect.poll(() => store.lastPosition().catch(() => undefined), { timeout: 10_000 }).toBeGreaterThan(0)
  })

  it.each<[string, (store: EventStore) => Promise<unknown>]>([
    ['the end of the log', (store) => store.lastPosition()],
    ['an event at a position', (store) => store.eventAt(0)],
    ['whether it is there', (store) => eventually(async () => store.isConnected(), 'an answer', 4_000)],
  ])('a connection that hangs before its first answer is given up for a new one (asked for %s)', async (_, ask) => {
    proxy.freeze()
    await expect(ask(store)).rejects.toThrow()
    // It stays as it is: only keep-alive would tell, which begins with the first answer.
    proxy.freezeOpen()
    await eventually(() => ask(store).then(isTrue, isFalse), 'an answer', 12_000)
  })

  it('when an append was recorded is told within the deadline of the append', async () => {
    await store.append(aStream(), [anEvent()], 'new')
    const started = performance.now()
    proxy.add({ type: 'timeout', timeout: 0 })
    const append = store.append(aStream(), [anEvent()], 'new')
    const reset = setTimeout(900).then(() => proxy.reset())
    const { recordedAt } = await append
    await reset
    expect(performance.now() - started).toBeGreaterThan(800)
    proxy.freeze()
    await expect(recordedAt()).rejects.toMatchObject({ name: 'StoreUnavailable' })
    expect(performance.now() - started).toBeLessThan(2_700)
  })

  it('a subscription that is not confirmed fails within the deadline', async () => {
    proxy.freeze()
    const started = performance.now()
    await expect(firstBatch(store)).rejects.toMatchObject({ name: 'StoreUnavailable', outcome: 'not-appended' })
    expect(performance.now() - started).toBeLessThan(4_000)
  })

  it.each<[string, (store: EventStore) => Promise<unknown>]>([
    ['an append', (store) => store.append(aStream(), [anEvent()], 'new')],
    ['a read', (store) => numbersOf(store, aStream())],
    ['a subscription', firstBatch],
  ])('it counts as connected from an answer to %s until one fails', async (_, ask) => {
    expect(store.isConnected()).toBe(false)
    await ask(store)
    expect(store.isConnected()).toBe(true)
    proxy.down()
    await expect(ask(store)).rejects.toThrow('event store unavailable')
    expect(store.isConnected()).toBe(false)
    proxy.reset()
    await expect.poll(() => store.isConnected(), { timeout: 10_000 }).toBe(true)
  })

  it('a refusal is an answer', async () => {
    await expect(store.append(aStream(), [anEvent()], 'exists')).rejects.toThrow()
    expect(store.isConnected()).toBe(true)
  })

  it('what is read when the connection is given up is not taken for all that there is', async () => {
    const stream = aStream()
    const { position } = await store.append(stream, [anEvent()], 'new')
    expect(await store.lastPosition()).toBeGreaterThanOrEqual(position)
    proxy.freezeOpen()
    const started = performance.now()
    const silent = expect(store.lastPosition()).rejects.toMatchObject({ name: 'StoreUnavailable' })
    await eventually(() => performance.now() - started > 700, 'the first call to have less time than the others')
    const away = { name: 'StoreUnavailable' }
    await Promise.all([
      silent,
      expect(numbersOf(store, stream)).rejects.toMatchObject(away),
      expect(store.lastPosition()).rejects.toMatchObject(away),
      expect(store.eventAt(position)).rejects.toMatchObject(away),
    ])
    expect(await store.eventAt(position)).toMatchObject({ stream, position })
  })

  it('a subscription fails when the connection under it is given up', async () => {
    let isLive = false
    const end = (async () => {
      for await (const _ of followed(store)) isLive = true
    })()
    await eventually(() => isLive, 'a live subscription')
    proxy.freezeOpen()
    const isOver = end.then(isTrue, isTrue)
    await expect(numbersOf(store, aStream())).rejects.toThrow()
    expect(await Promise.race([isOver, setTimeout(5_000, false)])).toBe(true)
    await expect(end).rejects.toMatchObject({ name: 'StoreUnavailable' })
  })

  it('a read that has little time left does not cost a subscription its connection', async () => {
    const stream = aStream()
    const seen: number[] = []
    const end = (async () => {
      for await (const { events } of followed(store, stream)) seen.push(...events.map(({ number }) => number))
    })()
    end.catch(() => undefined)
    const started = performance.now()
    const { recordedAt } = await store.append(aStream(), [anEvent()], 'new')
    await eventually(async () => (await store.lastPosition()) === 0 || performance.now() - started > 2_000, 'its end')
    const recover = proxy.add({ type: 'latency', latency: 1_000 })
    await expect(recordedAt()).rejects.toMatchObject({ name: 'StoreUnavailable' })
    recover()
    await store.append(stream, [anEvent()], 'new')
    await Promise.race([end, eventually(() => seen.length > 0, 'the event')])
    expect(seen).toEqual([1])
  })

  it('a consumer of a group fails when the connection under it is given up', async () => {
    const group = aStream()
    await store.ensureGroup({ group, streamPrefixes: [aStream()], messageTimeout: 30_000, maxRetries: 10 })
    const consumer = await store.join(group, 10)
    const end = (async () => {
      for await (const _ of consumer.deliveries) expect.unreachable()
    })()
    proxy.freezeOpen()
    const isOver = end.then(isTrue, isTrue)
    await expect(numbersOf(store, aStream())).rejects.toThrow()
    expect(await Promise.race([isOver, setTimeout(5_000, false)])).toBe(true)
    await expect(end).rejects.toMatchObject({ name: 'StoreUnavailable' })
  })

  it('a subscription fails, and another one goes on where it stopped', async () => {
    const stream = aStream()
    const subscribe = (after: number | undefined) =>
      store.subscribe({ after, streamPrefixes: [stream], signal: new AbortController().signal, maxBatch: 10 })
    const { position } = await store.append(stream, [anEvent()], 'new')
    const lost = (async () => {
      for await (const { events } of subscribe(undefined)) if (events.length > 0) proxy.down()
    })()
    await expect(lost).rejects.toMatchObject({ name: 'StoreUnavailable' })
    proxy.reset()
    await store.append(stream, [anEvent()], { version: 1 })
    for await (const { events } of subscribe(position)) {
      if (events.length === 0) continue
      expect(events.map(({ number }) => number)).toEqual([2])
      break
    }
  })
})

async function firstBatch(from: EventStore): Promise<void> {
  for await (const _ of followed(from)) break
}

const followed = (from: EventStore, stream = aStream()) =>
  from.subscribe({ after: undefined, streamPrefixes: [stream], signal: new AbortController().signal, maxBatch: 1 })

const isTrue = () => true
const isFalse = () => false

const aStream = () => `outage${randomUUID().replaceAll('-', '')}-1`

const anEvent = (): RawEvent => ({ id: randomUUID(), type: 'Tested', data: {}, metadata: {} })

async function numbersOf(from: EventStore, stream: string): Promise<number[]> {
  const numbers = []
  for await (const { number } of from.read(stream)) numbers.push(number)
  return numbers
}

/** Looks past the proxy. Reads only: a second client's appends would share the fate of the first one's. */
async function isAppended(stream: string): Promise<void> {
  const direct = connectEventStore(await eventStoreUrl())
  await expect.poll(() => numbersOf(direct, stream), { timeout: 5_000 }).toEqual([1])
  await direct.close()
}
