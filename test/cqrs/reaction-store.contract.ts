import { randomUUID } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import type { RecordedEvent } from '../../src/cqrs/event.ts'
import type { ReactionStore } from '../../src/cqrs/reaction-store.ts'

/** What every store of reactions does. It may hold other reactions. */
export function reactionStoreContract(store: () => ReactionStore): void {
  describe('the checkpoint', () => {
    it('is undefined for a reaction that never ran, and then what was stored last', async () => {
      const name = aReaction()
      const claim = await store().claim(name)
      expect(claim.checkpoint).toBeUndefined()
      await claim.moveTo(0)
      expect((await store().claim(name)).checkpoint).toBe(0)
      await (await store().claim(name)).moveTo(2 ** 40)
      expect((await store().claim(name)).checkpoint).toBe(2 ** 40)
    })

    it('moves with an event that is done or parked', async () => {
      const name = aReaction()
      await (await store().claim(name)).done(anEvent(10), 7)
      expect((await store().claim(name)).checkpoint).toBe(7)
      await (await store().claim(name)).park(anEvent(20), 'broken', 20)
      expect((await store().claim(name)).checkpoint).toBe(20)
    })

    it('is one for each reaction', async () => {
      const [one, other] = [aReaction(), aReaction()]
      await (await store().claim(one)).done(anEvent(10), 10)
      expect((await store().claim(other)).checkpoint).toBeUndefined()
    })
  })

  describe('an event', () => {
    it('is neither settled nor failed at first', async () => {
      const claim = await store().claim(aReaction())
      expect(await claim.standing(anEvent(10))).toEqual({ isSettled: false, failures: 0, isBehindParked: false })
    })

    it('that is done ahead of the checkpoint is still known to the next owner', async () => {
      const name = aReaction()
      const [event, other] = [anEvent(10), anEvent(10)]
      await (await store().claim(name)).done(event, 5)
      const next = await store().claim(name)
      expect((await next.standing(event)).isSettled).toBe(true)
      expect((await next.standing(other)).isSettled).toBe(false)
    })

    it('keeps the number of its failures from one owner to the next', async () => {
      const name = aReaction()
      const event = anEvent(10)
      for (const failures of [0, 1, 2]) {
        const claim = await store().claim(name)
        expect((await claim.standing(event)).failures).toBe(failures)
        await claim.failed(event)
      }
    })
  })

  describe('a parked event', () => {
    it('can be inspected, in log order and with all that it was', async () => {
      const name = aReaction()
      const claim = await store().claim(name)
      const event = { ...anEvent(10), data: { name: 'ü', bytes: new Uint8Array([1, 2]) } }
      const later = anEvent(20)
      await claim.park(later, 'later', 9)
      await claim.failed(event)
      await claim.park(event, 'broken', 20)
      const [first, second] = await store().parked(name, 10)
      expect(first).toEqual({ event, failures: 1, reason: 'broken', parkedAt: expect.any(Date) })
      expect(second).toMatchObject({ event: later, failures: 0 })
      expect(await store().parked(name, 1)).toHaveLength(1)
      expect(await store().parked(aReaction(), 10)).toEqual([])
      expect((await store().claim(name)).parked).toBe(2)
    })

    it('is settled, and what comes later in its stream is behind it', async () => {
      const claim = await store().claim(aReaction())
      const event = anEvent(10)
      await claim.park(event, 'broken', 10)
      expect(await claim.standing(event)).toMatchObject({ isSettled: true, isBehindParked: false })
      expect(await claim.standing(anEvent(20, event.stream))).toMatchObject({ isSettled: false, isBehindParked: true })
      expect(await claim.standing(anEvent(5, event.stream))).toMatchObject({ isBehindParked: false })
      expect(await claim.standing(anEvent(20))).toMatchObject({ isBehindParked: false })
    })

    it('comes back stream by stream and in order, and is parked no more once it is done', async () => {
      const name = aReaction()
      const claim = await store().claim(name)
      const [first, other] = [anEvent(10), anEvent(20)]
      const second = anEvent(30, first.stream)
      for (const event of [second, other, first]) await claim.park(event, 'broken', 30)
      expect(await claim.parkedStreams()).toEqual([first.stream, other.stream])
      expect(await claim.firstParked(first.stream)).toEqual(first)
      await claim.done(first, 30)
      expect(await claim.firstParked(first.stream)).toEqual(second)
      await claim.done(second, 30)
      expect(await claim.firstParked(first.stream)).toBeUndefined()
      expect(await claim.parkedStreams()).toEqual([other.stream])
      expect((await store().claim(name)).parked).toBe(1)
    })
  })

  it('refuses the one who had the reaction before, whatever it wants, and changes nothing', async () => {
    const name = aReaction()
    const event = anEvent(10)
    const fenced = await store().claim(name)
    const owner = await store().claim(name)
    for (const call of [
      () => fenced.standing(event),
      () => fenced.failed(event),
      () => fenced.done(event, 10),
      () => fenced.park(event, 'broken', 10),
      () => fenced.moveTo(10),
      () => fenced.parkedStreams(),
      () => fenced.firstParked(event.stream),
    ]) {
      await expect(call()).rejects.toMatchObject({ name: 'ReactionFenced', reaction: name })
    }
    expect(await owner.standing(event)).toEqual({ isSettled: false, failures: 0, isBehindParked: false })
    expect(await store().parked(name, 10)).toEqual([])
    expect((await store().claim(name)).checkpoint).toBeUndefined()
  })
}

const aReaction = () => `reaction ${randomUUID()}`

function anEvent(position: number, stream = `thing-${randomUUID()}`): RecordedEvent {
  const created = new Date('2026-01-02T03:04:05.678Z')
  return { id: randomUUID(), stream, number: position, position, type: 'Tested', data: {}, metadata: {}, created }
}
