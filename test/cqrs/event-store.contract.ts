import { randomUUID } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import type { NewEvent, RecordedEvent } from '../../src/cqrs/event.ts'
import type { EventLog, EventSink, EventSource, LogBatch, SubscribeOptions } from '../../src/cqrs/event-store.ts'

type Store = EventSink & EventSource & EventLog

/** What every event store of the kit does. The store may hold other people's events. */
export function eventStoreContract(store: () => Store): void {
  describe('an append', () => {
    it('to a new stream numbers its events from 1 and gives the position of the last', async () => {
      const stream = aStream()
      const appended = await store().append(stream, [anEvent(), anEvent()], 'new')
      const events = await read(store(), stream)
      expect(events.map(({ number }) => number)).toEqual([1, 2])
      expect(appended).toMatchObject({ lastNumber: 2, position: events[1]?.position })
    })

    it('tells when the store recorded it, whether or not a subscription delivers it', async () => {
      const [followed, unfollowed] = [aStream(), aStream()]
      for (const stream of [unfollowed, followed]) {
        await batchesOf(store(), { streamPrefixes: [followed] }, async (_, { caughtUp }) => {
          if (!caughtUp) return false
          const { recordedAt } = await store().append(stream, [anEvent(), anEvent()], 'new')
          const [, last] = await read(store(), stream)
          expect(await recordedAt()).toEqual(last?.created)
          return true
        })
      }
    })

    it('gives back what was appended', async () => {
      const stream = aStream()
      const event = { ...anEvent(), data: { name: 'Ada', nested: [1, null, 'ü'] }, metadata: { correlationId: 'c' } }
      await store().append(stream, [event], 'new')
      const [recorded] = await read(store(), stream)
      expect(recorded).toMatchObject({ ...event, stream, number: 1 })
      expect(recorded?.created).toBeInstanceOf(Date)
    })

    it.each([
      ['new', 'new', 2],
      ['past its end', { lastNumber: 3 }, 2],
      ['behind its end', { lastNumber: 1 }, 2],
    ] as const)('to a stream that is expected to be %s is refused and changes nothing', async (_, expected, actual) => {
      const stream = aStream()
      await store().append(stream, [anEvent(), anEvent()], 'new')
      await expect(store().append(stream, [anEvent()], expected)).rejects.toMatchObject({
        name: 'PreconditionFailed',
        stream,
        expected,
        actual,
      })
      expect(await read(store(), stream)).toHaveLength(2)
    })

    it.each(['exists', { lastNumber: 1 }] as const)(
      'to a missing stream expected as %j is refused',
      async (expected) => {
        const refusal = { name: 'PreconditionFailed', expected, actual: 0 }
        await expect(store().append(aStream(), [anEvent()], expected)).rejects.toMatchObject(refusal)
      },
    )

    it.each(['exists', { lastNumber: 2 }] as const)(
      'goes behind the last event when expected as %j',
      async (expected) => {
        const stream = aStream()
        await store().append(stream, [anEvent(), anEvent()], 'new')
        expect(await store().append(stream, [anEvent()], expected)).toMatchObject({ lastNumber: 3 })
      },
    )

    it('lets exactly one of many at once create a stream', async () => {
      const stream = aStream()
      const outcomes = await Promise.allSettled(
        Array.from({ length: 50 }, () => store().append(stream, [anEvent()], 'new')),
      )
      expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
      expect(await read(store(), stream)).toHaveLength(1)
    })
  })

  describe('a repeated append', () => {
    it.each([
      ['all of its events', [0, 1, 2], 3],
      ['the first of its events', [0, 1], 2],
    ] as const)('with %s answers as the first time and appends nothing', async (_, repeated, lastNumber) => {
      const stream = aStream()
      const events = [anEvent(), anEvent(), anEvent()] as const
      await store().append(stream, events, 'new')
      const [first, ...rest] = repeated.map((index) => events[index])
      if (!first) throw new Error('nothing to repeat')
      const again = await store().append(stream, [first, ...rest], 'new')
      const recorded = await read(store(), stream)
      expect(again).toMatchObject({ lastNumber, position: recorded[lastNumber - 1]?.position })
      expect(await again.recordedAt()).toEqual(recorded[lastNumber - 1]?.created)
      expect(recorded).toHaveLength(3)
    })

    it('is recognised behind later events, at the number that it expected', async () => {
      const stream = aStream()
      const event = anEvent()
      await store().append(stream, [anEvent()], 'new')
      await store().append(stream, [event], { lastNumber: 1 })
      await store().append(stream, [anEvent()], { lastNumber: 2 })
      expect(await store().append(stream, [event], { lastNumber: 1 })).toMatchObject({ lastNumber: 2 })
      expect(await read(store(), stream)).toHaveLength(3)
    })

    it('is refused where it goes beyond what was appended', async () => {
      const stream = aStream()
      const event = anEvent()
      await store().append(stream, [event], 'new')
      const refusal = { name: 'PreconditionFailed', actual: 1 }
      await expect(store().append(stream, [event, anEvent()], 'new')).rejects.toMatchObject(refusal)
    })

    it('is refused where the same ids are known in another stream only', async () => {
      const [one, other] = [aStream(), aStream()]
      const event = anEvent()
      await store().append(one, [event], 'new')
      await store().append(other, [anEvent()], 'new')
      await expect(store().append(other, [event], 'new')).rejects.toMatchObject({ name: 'PreconditionFailed' })
    })
  })

  describe('a read', () => {
    it('of a missing stream gives nothing', async () => {
      expect(await read(store(), aStream())).toEqual([])
    })

    it('starts after a number and stops at a count', async () => {
      const stream = aStream()
      await store().append(stream, [anEvent(), anEvent(), anEvent(), anEvent()], 'new')
      const numbers = async (since: number, maxCount?: number) =>
        (await read(store(), stream, since, maxCount)).map(({ number }) => number)
      expect(await numbers(2)).toEqual([3, 4])
      expect(await numbers(1, 2)).toEqual([2, 3])
      expect(await numbers(4)).toEqual([])
    })
  })

  describe('a subscription to the log', () => {
    it('delivers what is there and then what comes, each event once, in log order', async () => {
      const stream = aStream()
      await store().append(stream, [anEvent(), anEvent()], 'new')
      let more = 2
      const batches = await batchesOf(store(), { streamPrefixes: [stream] }, async (received, { caughtUp }) => {
        if (caughtUp && more-- > 0) await store().append(stream, [anEvent()], 'exists')
        return received.length === 4
      })
      expect(eventsOf(batches).map(({ number }) => number)).toEqual([1, 2, 3, 4])
      expect(batches.at(-1)?.caughtUp).toBe(true)
    })

    it('starts behind a position', async () => {
      const stream = aStream()
      const { position } = await store().append(stream, [anEvent(), anEvent()], 'new')
      await store().append(stream, [anEvent()], 'exists')
      const options = { streamPrefixes: [stream], after: position }
      const batches = await batchesOf(store(), options, (received) => received.length === 1)
      expect(eventsOf(batches).map(({ number }) => number)).toEqual([3])
    })

    it('delivers only streams whose names start with one of its prefixes', async () => {
      const [one, other, unwanted] = [aStream(), aStream(), aStream()]
      for (const stream of [one, unwanted, other]) await store().append(stream, [anEvent()], 'new')
      const options = { streamPrefixes: [one, other] }
      const batches = await batchesOf(store(), options, (_, { caughtUp }) => caughtUp)
      expect(eventsOf(batches).map(({ stream }) => stream)).toEqual([one, other])
    })

    it('says that it has caught up where there is nothing to deliver', async () => {
      const batches = await batchesOf(store(), { streamPrefixes: [aStream()] }, (_, { caughtUp }) => caughtUp)
      expect(eventsOf(batches)).toEqual([])
    })

    it('moves its position on past events that it does not deliver', async () => {
      const [wanted, unwanted] = [aStream(), aStream()]
      const { position: start } = await store().append(wanted, [anEvent()], 'new')
      for (let call = 0; call < 6; call++) await store().append(unwanted, anEvents(500), anExpectation(call * 500))
      const options = { streamPrefixes: [wanted], after: start }
      const batches = await batchesOf(store(), options, (_, { position }) => position > start)
      expect(eventsOf(batches)).toEqual([])
    })

    it('loses nothing to a slow consumer, and never gives a position ahead of an event still to come', async () => {
      const [wanted, unwanted] = [aStream(), aStream()]
      const { position: after } = await store().append(aStream(), [anEvent()], 'new')
      for (let call = 0; call < 20; call++) {
        await store().append(wanted, anEvents(100), anExpectation(call * 100))
        await store().append(unwanted, anEvents(200), anExpectation(call * 200))
      }
      const options = { streamPrefixes: [wanted], after, maxBatch: 7 }
      const batches = await batchesOf(store(), options, async (received) => {
        if (received.length % 70 === 0) await turnsOfTheEventLoop(20)
        return received.length === 2_000
      })
      expect(eventsOf(batches).map(({ number }) => number)).toEqual(Array.from({ length: 2_000 }, (_, i) => i + 1))
      let reached = after
      for (const { events, position } of batches) {
        for (const event of events) expect(event.position).toBeGreaterThan(reached)
        expect(events.length).toBeLessThanOrEqual(7)
        expect(position).toBeGreaterThanOrEqual(events.at(-1)?.position ?? reached)
        reached = position
      }
    })

    it('ends with its signal, without an error', async () => {
      const abort = new AbortController()
      const subscription = subscribe(store(), { streamPrefixes: [aStream()], signal: abort.signal })
      for await (const { caughtUp } of subscription) if (caughtUp) abort.abort()
    })
  })

  it('knows the position at the end of the log', async () => {
    const { position } = await store().append(aStream(), [anEvent()], 'new')
    expect(await store().lastPosition()).toBeGreaterThanOrEqual(position)
  })
}

const aStream = () => `contract${randomUUID().replaceAll('-', '')}-1`

const anEvent = (): NewEvent => ({ id: randomUUID(), type: 'Tested', data: { n: 1 }, metadata: {} })

const anEvents = (count: number): [NewEvent, ...NewEvent[]] => [
  anEvent(),
  ...Array.from({ length: count - 1 }, () => anEvent()),
]

const anExpectation = (lastNumber: number) => (lastNumber === 0 ? 'new' : { lastNumber })

async function read(store: Store, ...parameters: Parameters<Store['read']>): Promise<RecordedEvent[]> {
  const events = []
  for await (const event of store.read(...parameters)) events.push(event)
  return events
}

type Subscription = Partial<SubscribeOptions> & Pick<SubscribeOptions, 'streamPrefixes'>

function subscribe(store: Store, options: Subscription): AsyncIterable<LogBatch> {
  return store.subscribe({ after: undefined, signal: new AbortController().signal, maxBatch: 100, ...options })
}

async function batchesOf(
  store: Store,
  options: Subscription,
  isDone: (received: readonly RecordedEvent[], batch: LogBatch) => boolean | Promise<boolean>,
): Promise<LogBatch[]> {
  const batches: LogBatch[] = []
  for await (const batch of subscribe(store, options)) {
    batches.push(batch)
    if (await isDone(eventsOf(batches), batch)) break
  }
  return batches
}

const eventsOf = (batches: readonly LogBatch[]) => batches.flatMap(({ events }) => events)

async function turnsOfTheEventLoop(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await setImmediate()
}
