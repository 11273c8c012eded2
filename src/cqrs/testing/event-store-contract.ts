import { deepStrictEqual, ok, rejects, strictEqual } from 'node:assert/strict'
import type { EventSink, EventSource } from '../event-store.ts'
import { anEvent, aStream, collect, numbersOf, readAll, someEvents, type TestApi } from './contract.ts'

/** What every event store of the kit does. The store may hold other people's events. */
export function eventStoreContract({ describe, it }: TestApi, store: () => EventSink & EventSource): void {
  describe('an append', () => {
    it('to a new stream numbers its events from 1 and gives the position of the last', async () => {
      const stream = aStream()
      const { lastNumber, position } = await store().append(stream, someEvents(2), 'new')
      const events = await readAll(store(), stream)
      deepStrictEqual(numbersOf(events), [1, 2])
      deepStrictEqual({ lastNumber, position }, { lastNumber: 2, position: events[1]?.position })
    })

    it('gives back what was appended, and tells when it was recorded', async () => {
      const stream = aStream()
      const event = { ...anEvent(), data: { name: 'Ada', nested: [1, null, 'ü'] }, metadata: { correlationId: 'c' } }
      const { position, recordedAt } = await store().append(stream, [event], 'new')
      const created = await recordedAt()
      ok(created instanceof Date)
      const [recorded] = await readAll(store(), stream)
      const { id, type, data, metadata } = event
      deepStrictEqual(
        { ...recorded, metadata: { ...event.metadata } },
        { ...{ id, type, data, metadata }, stream, number: 1, position, created },
      )
    })

    it('takes positions that rise in log order', async () => {
      const [one, other] = [aStream(), aStream()]
      const first = await store().append(one, [anEvent()], 'new')
      const second = await store().append(other, [anEvent()], 'new')
      ok(second.position > first.position)
    })

    for (const precondition of ['new', { version: 0 }, { version: 3 }, { version: 1 }] as const) {
      it(`to a stream of 2 events is refused and changes nothing where ${told(precondition)} is expected`, async () => {
        const stream = aStream()
        await store().append(stream, someEvents(2), 'new')
        const refusal = { name: 'PreconditionFailed', stream, expected: precondition, actual: 2 }
        await rejects(store().append(stream, [anEvent()], precondition), refusal)
        strictEqual((await readAll(store(), stream)).length, 2)
      })
    }

    for (const precondition of ['exists', { version: 1 }] as const) {
      it(`to a missing stream is refused where ${told(precondition)} is expected`, async () => {
        const refusal = { name: 'PreconditionFailed', expected: precondition, actual: 0 }
        await rejects(store().append(aStream(), [anEvent()], precondition), refusal)
      })
    }

    for (const precondition of ['exists', { version: 2 }, undefined] as const) {
      it(`to a stream of 2 events goes behind them where ${told(precondition)} is expected`, async () => {
        const stream = aStream()
        await store().append(stream, someEvents(2), 'new')
        strictEqual((await store().append(stream, [anEvent()], precondition)).lastNumber, 3)
      })
    }

    for (const precondition of ['new', { version: 0 }, undefined] as const) {
      it(`creates a stream where ${told(precondition)} is expected`, async () => {
        strictEqual((await store().append(aStream(), [anEvent()], precondition)).lastNumber, 1)
      })
    }

    it('lets exactly one of many at once create a stream', async () => {
      const stream = aStream()
      const appends = Array.from({ length: 50 }, () => store().append(stream, [anEvent()], 'new'))
      const outcomes = await Promise.allSettled(appends)
      strictEqual(outcomes.filter(({ status }) => status === 'fulfilled').length, 1)
      strictEqual((await readAll(store(), stream)).length, 1)
    })
  })

  describe('a repeated append', () => {
    for (const [what, count] of [
      ['all of its events', 3],
      ['the first of its events', 2],
    ] as const) {
      it(`with ${what} answers as the first time and appends nothing`, async () => {
        const stream = aStream()
        const [first, ...rest] = someEvents(3)
        await store().append(stream, [first, ...rest], 'new')
        const again = await store().append(stream, [first, ...rest.slice(0, count - 1)], 'new')
        const recorded = await readAll(store(), stream)
        strictEqual(again.lastNumber, count)
        strictEqual(again.position, recorded[count - 1]?.position)
        deepStrictEqual(await again.recordedAt(), recorded[count - 1]?.created)
        strictEqual(recorded.length, 3)
      })
    }

    it('is recognised behind later events, at the number that it expected', async () => {
      const stream = aStream()
      const event = anEvent()
      await store().append(stream, [anEvent()], 'new')
      await store().append(stream, [event], { version: 1 })
      await store().append(stream, [anEvent()], { version: 2 })
      strictEqual((await store().append(stream, [event], { version: 1 })).lastNumber, 2)
      strictEqual((await readAll(store(), stream)).length, 3)
    })

    it('is refused where it goes beyond what was appended', async () => {
      const stream = aStream()
      const event = anEvent()
      await store().append(stream, [event], 'new')
      const again = store().append(stream, [event, anEvent()], 'new')
      await rejects(again, { name: 'PreconditionFailed', actual: 1 })
    })

    it('is refused where the same ids are known in another stream only', async () => {
      const [one, other] = [aStream(), aStream()]
      const event = anEvent()
      await store().append(one, [event], 'new')
      await store().append(other, [anEvent()], 'new')
      await rejects(store().append(other, [event], 'new'), { name: 'PreconditionFailed' })
    })
  })

  describe('a read', () => {
    it('of a missing stream gives nothing in either direction', async () => {
      deepStrictEqual(await readAll(store(), aStream()), [])
      deepStrictEqual(await collect(store().readBackwards(aStream())), [])
    })

    it('starts behind a number and stops at a count', async () => {
      const stream = aStream()
      await store().append(stream, someEvents(4), 'new')
      const numbers = async (since?: number, maxCount?: number) =>
        numbersOf(await collect(store().read(stream, since, maxCount)))
      deepStrictEqual(await numbers(), [1, 2, 3, 4])
      deepStrictEqual(await numbers(0, 1), [1])
      deepStrictEqual(await numbers(2), [3, 4])
      deepStrictEqual(await numbers(1, 2), [2, 3])
      deepStrictEqual(await numbers(4), [])
      deepStrictEqual(await numbers(9), [])
    })

    it('backwards starts ahead of a number and stops at a count', async () => {
      const stream = aStream()
      await store().append(stream, someEvents(4), 'new')
      const numbers = async (before?: number | 'end', maxCount?: number) =>
        numbersOf(await collect(store().readBackwards(stream, before, maxCount)))
      deepStrictEqual(await numbers(), [4, 3, 2, 1])
      deepStrictEqual(await numbers('end', 1), [4])
      deepStrictEqual(await numbers(4), [3, 2, 1])
      deepStrictEqual(await numbers(4, 2), [3, 2])
      deepStrictEqual(await numbers(1), [])
      deepStrictEqual(await numbers(9), [4, 3, 2, 1])
    })

    it('may be broken off', async () => {
      const stream = aStream()
      await store().append(stream, someEvents(100), 'new')
      for await (const { number } of store().read(stream)) if (number === 3) break
      strictEqual((await readAll(store(), stream)).length, 100)
    })
  })
}

const told = (precondition: unknown) => JSON.stringify(precondition) ?? 'nothing'
