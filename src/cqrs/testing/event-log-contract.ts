import { deepStrictEqual, ok, strictEqual } from 'node:assert/strict'
import { setImmediate } from 'node:timers/promises'
import type { RecordedEvent } from '../event.ts'
import type { EventLog, EventSink, EventSource, LogBatch, SubscribeOptions } from '../event-store.ts'
import { anEvent, aStream, numbersOf, readAll, someEvents, type TestApi } from './contract.ts'

type Store = EventSink & EventSource & EventLog

/** What every event store of the kit does that can be subscribed to. The store may hold other people's events. */
export function eventLogContract({ describe, it }: TestApi, store: () => Store): void {
  describe('a subscription to the log', () => {
    it('delivers what is there and then what comes, each event once, in log order', async () => {
      const stream = aStream()
      await store().append(stream, someEvents(2), 'new')
      let more = 2
      const batches = await batchesOf(store(), { streamPrefixes: [stream] }, async (received, { caughtUp }) => {
        if (caughtUp && more-- > 0) await store().append(stream, [anEvent()], 'exists')
        return received.length === 4
      })
      deepStrictEqual(numbersOf(eventsOf(batches)), [1, 2, 3, 4])
      ok(batches.at(-1)?.caughtUp)
    })

    it('starts behind a position', async () => {
      const stream = aStream()
      const { position } = await store().append(stream, someEvents(2), 'new')
      await store().append(stream, [anEvent()], 'exists')
      const options = { streamPrefixes: [stream], after: position }
      const batches = await batchesOf(store(), options, (received) => received.length === 1)
      deepStrictEqual(numbersOf(eventsOf(batches)), [3])
    })

    it('delivers only streams whose names start with one of its prefixes', async () => {
      const [one, other, unwanted] = [aStream(), aStream(), aStream()]
      for (const stream of [one, unwanted, other]) await store().append(stream, [anEvent()], 'new')
      const options = { streamPrefixes: [one, other] }
      const batches = await batchesOf(store(), options, (_, { caughtUp }) => caughtUp)
      deepStrictEqual(
        eventsOf(batches).map(({ stream }) => stream),
        [one, other],
      )
    })

    it('says that it has caught up where there is nothing to deliver', async () => {
      const batches = await batchesOf(store(), { streamPrefixes: [aStream()] }, (_, { caughtUp }) => caughtUp)
      deepStrictEqual(eventsOf(batches), [])
    })

    it('moves its position on past events that it does not deliver', async () => {
      const [wanted, unwanted] = [aStream(), aStream()]
      const { position: start } = await store().append(wanted, [anEvent()], 'new')
      for (let call = 0; call < 6; call++) await store().append(unwanted, someEvents(500), { version: call * 500 })
      const options = { streamPrefixes: [wanted], after: start }
      const batches = await batchesOf(store(), options, (_, { position }) => position > start)
      deepStrictEqual(eventsOf(batches), [])
    })

    it('loses nothing to a slow consumer, and never gives a position ahead of an event still to come', async () => {
      const [wanted, unwanted] = [aStream(), aStream()]
      const { position: after } = await store().append(aStream(), [anEvent()], 'new')
      for (let call = 0; call < 20; call++) {
        await store().append(wanted, someEvents(100), { version: call * 100 })
        await store().append(unwanted, someEvents(200), { version: call * 200 })
      }
      const options = { streamPrefixes: [wanted], after, maxBatch: 7 }
      const batches = await batchesOf(store(), options, async (received) => {
        if (received.length % 70 === 0) for (let turn = 0; turn < 20; turn++) await setImmediate()
        return received.length === 2_000
      })
      const expected = Array.from({ length: 2_000 }, (_, index) => index + 1)
      deepStrictEqual(numbersOf(eventsOf(batches)), expected)
      let reached = after
      for (const { events, position } of batches) {
        for (const event of events) ok(event.position > reached)
        ok(events.length <= 7)
        ok(position >= (events.at(-1)?.position ?? reached))
        reached = position
      }
    })

    it('ends with its signal, without an error', async () => {
      const abort = new AbortController()
      const subscription = subscribe(store(), { streamPrefixes: [aStream()], signal: abort.signal })
      for await (const { caughtUp } of subscription) if (caughtUp) abort.abort()
    })
  })

  it('an append tells when it was recorded, whether or not a subscription delivers it', async () => {
    const [followed, unfollowed] = [aStream(), aStream()]
    for (const stream of [unfollowed, followed]) {
      await batchesOf(store(), { streamPrefixes: [followed] }, async (_, { caughtUp }) => {
        if (!caughtUp) return false
        const { recordedAt } = await store().append(stream, someEvents(2), 'new')
        const [, last] = await readAll(store(), stream)
        deepStrictEqual(await recordedAt(), last?.created)
        return true
      })
    }
  })

  it('the log knows the position at its end', async () => {
    const { position } = await store().append(aStream(), [anEvent()], 'new')
    const last = await store().lastPosition()
    ok(last !== undefined && last >= position)
    strictEqual(typeof last, 'number')
  })

  it('the log has the event at a position, and none behind its end', async () => {
    const stream = aStream()
    const { position } = await store().append(stream, [anEvent()], 'new')
    deepStrictEqual([await store().eventAt(position)], await readAll(store(), stream))
    strictEqual(await store().eventAt(position + 1_000_000_000), undefined)
  })
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
