import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { afterAll, describe, expect, it, onTestFinished } from 'vitest'
import type { RecordedEvent } from '../../src/cqrs/event.ts'
import { Hopeless, type Reaction, ReactionUnwanted, Throttled } from '../../src/cqrs/reaction.ts'
import type { ReactionStore } from '../../src/cqrs/reaction-store.ts'
import { Reactor, type ReactorOptions } from '../../src/cqrs/reactor.ts'
import { connectEventStore } from '../../src/eventstoredb/event-store.ts'
import { openReactionStore } from '../../src/reactions/sqlite-reaction-store.ts'
import { startProxy } from '../faults/proxy.ts'
import { eventStoreUrl } from '../support/event-store.ts'
import { eventually } from '../support/eventually.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const url = await eventStoreUrl()
const log = connectEventStore(url)
afterAll(() => log.close())

const FAST = { firstWait: 1, longestWait: 4, maxAttempts: 3 }

describe('a reactor', () => {
  it('reacts to what happens from its first start on', async () => {
    const world = aWorld()
    await world.append('1', 'Before')
    const { reactor } = await world.start()
    await world.append('1', 'After')
    await world.append('2', 'After')
    await world.hasReacted(['1 After', '2 After'])
    expect(reactor.status()).toMatchObject({ name: world.name, state: 'live', retrying: 0, parked: 0 })
  })

  it('goes on where it stopped', async () => {
    const world = aWorld()
    const { reactor } = await world.start()
    await world.append('1', 'First')
    await world.hasReacted(['1 First'])
    await reactor.stop()
    expect(reactor.status().state).toBe('stopped')
    await world.append('1', 'Second')
    await world.start()
    await world.append('1', 'Third')
    await world.hasReacted(['1 First', '1 Second', '1 Third'])
  })

  it('reacts only to what its predicate lets through', async () => {
    const world = aWorld({ types: ['Wanted'] })
    await world.start()
    await world.append('1', 'Unwanted')
    await world.append('1', 'Wanted')
    await world.append('1', 'Unwanted')
    await world.append('2', 'Wanted')
    await world.hasReacted(['1 Wanted', '2 Wanted'])
  })

  it('reacts to all aggregates, and not to what belongs to none', async () => {
    const world = aWorld({ predicate: { aggregates: 'all', events: 'all' } })
    await world.start()
    await log.append(`snapshot-${world.type}-1`, [anEvent('Snapshot')], 'new')
    await world.append('1', 'First')
    await eventually(() => world.seen.some(({ stream }) => stream === `${world.type}-1`), 'the reaction')
    expect(world.seen.filter(({ stream }) => /^(\$|snapshot-)/.test(stream))).toEqual([])
  })

  it('keeps the order of each stream, also where attempts fail and take their time', async () => {
    const world = aWorld({
      react: async () => (Math.random() < 0.3 ? Promise.reject(new Error('no luck')) : undefined),
    })
    await world.start({ retry: { ...FAST, maxAttempts: 100 } })
    const ids = ['1', '2', '3', '4', '5']
    for (let round = 0; round < 10; round++) await Promise.all(ids.map((id) => world.append(id, `Event${round}`)))
    await eventually(() => world.done.length === 50, 'all reactions')
    for (const id of ids) {
      const events = world.done.filter((done) => done.startsWith(`${id} `))
      expect(events).toEqual(Array.from({ length: 10 }, (_, round) => `${id} Event${round}`))
    }
  })

  it('tries an event again while other streams go on, and does not store a position beyond it', async () => {
    const world = aWorld({ react: async ({ stream }) => world.failFor(stream, '1') })
    const { reactor } = await world.start({ retry: { ...FAST, maxAttempts: 1_000_000 } })
    const failing = await world.append('1', 'Fails')
    await world.append('1', 'Waits')
    for (const id of ['2', '3', '4']) await world.append(id, 'Fine')
    await eventually(() => world.done.length === 3, 'the other streams')
    await eventually(() => reactor.status().lag === 2, 'two events in flight')
    expect(reactor.status()).toMatchObject({ retrying: 1, parked: 0 })
    expect(reactor.status().position).toBeLessThan(failing)
    world.failing.clear()
    await eventually(() => world.done.length === 5, 'the failing stream')
    expect(world.done.slice(3)).toEqual(['1 Fails', '1 Waits'])
    await eventually(() => reactor.status().position >= failing, 'the checkpoint to move on')
    expect(reactor.status()).toMatchObject({ retrying: 0, lag: 0 })
  })

  it('does not repeat, after a restart, what was done beyond an event that still fails', async () => {
    const world = aWorld({ react: async ({ stream }) => world.failFor(stream, '1') })
    const { reactor } = await world.start({ retry: { ...FAST, maxAttempts: 1_000_000 } })
    await world.append('1', 'Fails')
    await world.append('2', 'Fine')
    await world.hasReacted(['2 Fine'])
    await reactor.stop()
    world.failing.clear()
    await world.start()
    await world.append('2', 'Later')
    await eventually(() => world.done.length === 3, 'the rest')
    expect(world.done.toSorted()).toEqual(['1 Fails', '2 Fine', '2 Later'])
  })

  it('takes in no more than a number of events that are not settled', async () => {
    const world = aWorld({ react: async ({ stream }) => world.failFor(stream, '1', '2') })
    const { reactor } = await world.start({ maxInFlight: 2, retry: { ...FAST, maxAttempts: 1_000_000 } })
    await world.append('1', 'Fails')
    await world.append('2', 'Fails')
    await world.append('3', 'Fine')
    await eventually(() => reactor.status().retrying === 2, 'both to be tried again')
    await eventually(() => world.attempts > 20, 'many attempts')
    expect(world.seen.some(({ stream }) => stream.endsWith('-3'))).toBe(false)
    world.failing.clear()
    await world.hasReactedInAnyOrder(['1 Fails', '2 Fails', '3 Fine'])
  })

  describe('that has tried an event as often as it may', () => {
    it('parks it and what comes later in its stream, and goes on with the rest', async () => {
      const world = aWorld({ react: async ({ stream }) => world.failFor(stream, '1') })
      const { reactor, parked } = await world.start()
      await world.append('1', 'First')
      await world.append('1', 'Second')
      await eventually(() => reactor.status().parked === 2, 'both to be parked')
      await world.append('1', 'Third')
      const last = await world.append('2', 'Fine')
      await world.hasReacted(['2 Fine'])
      await eventually(() => reactor.status().position >= last, 'the checkpoint to move on')
      expect(world.attempts).toBe(FAST.maxAttempts + 1)
      expect(await parked()).toEqual([
        { type: 'First', failures: 3, reason: 'told to fail' },
        { type: 'Second', failures: 0, reason: 'an earlier event of its stream is parked' },
        { type: 'Third', failures: 0, reason: 'an earlier event of its stream is parked' },
      ])
    })

    it('tries what is parked again at its next start, in order and ahead of what is new', async () => {
      const world = aWorld({ react: async ({ stream }) => world.failFor(stream, '1', '2') })
      const { reactor } = await world.start()
      for (const id of ['1', '2', '1']) await world.append(id, 'Old')
      await eventually(() => reactor.status().parked === 3, 'all to be parked')
      await reactor.stop()
      await world.append('1', 'New')
      world.failing.delete('1')
      const again = await world.start()
      await eventually(() => world.done.length === 3, 'the stream that works again')
      expect(world.done).toEqual(['1 Old', '1 Old', '1 New'])
      expect(again.reactor.status()).toMatchObject({ parked: 1 })
      expect(await again.parked()).toMatchObject([{ type: 'Old' }])
    })

    it('has counted the attempts of earlier starts', async () => {
      const world = aWorld({ react: async ({ stream }) => world.failFor(stream, '1') })
      const first = await world.start({ retry: { firstWait: 60_000, longestWait: 60_000, maxAttempts: 2 } })
      await world.append('1', 'Fails')
      await eventually(() => first.reactor.status().retrying === 1, 'the first attempt')
      await first.reactor.stop()
      const second = await world.start({ retry: { firstWait: 60_000, longestWait: 60_000, maxAttempts: 2 } })
      await eventually(() => second.reactor.status().parked === 1, 'it to be parked')
      expect(world.attempts).toBe(2)
    })
  })

  it('parks at once what no attempt can help', async () => {
    const world = aWorld({ react: () => Promise.reject(new Hopeless('nonsense')) })
    const { reactor, parked } = await world.start()
    await world.append('1', 'Nonsense')
    await eventually(() => reactor.status().parked === 1, 'it to be parked')
    expect(world.attempts).toBe(1)
    expect(await parked()).toMatchObject([{ failures: 1, reason: 'nonsense' }])
  })

  it('begins nothing for as long as it was asked to wait', async () => {
    let asked: number | undefined
    const begun: number[] = []
    const world = aWorld({
      react: async () => {
        begun.push(performance.now())
        if (asked !== undefined) return
        asked = performance.now()
        throw new Throttled('too many', 300)
      },
    })
    await world.start({ retry: { ...FAST, longestWait: 1_000 } })
    await world.append('1', 'First')
    await world.append('2', 'Second')
    await eventually(() => world.done.length === 2, 'both')
    expect(Math.min(...begun.slice(1)) - (asked ?? 0)).toBeGreaterThan(290)
  })

  it('stops where it is not wanted any more, and tries the same event again when it is started again', async () => {
    const world = aWorld({ react: async ({ stream }) => world.failFor(stream, '1', '2') })
    world.failWith = new ReactionUnwanted('go away')
    const { reactor } = await world.start()
    await world.append('1', 'First')
    await eventually(() => reactor.status().state === 'failed', 'it to stop')
    expect(reactor.status()).toMatchObject({ error: { message: 'go away' }, parked: 0 })
    await world.append('2', 'Second')
    await reactor.stop()
    expect(reactor.status().state).toBe('failed')
    world.failing.clear()
    await world.start()
    await world.hasReactedInAnyOrder(['1 First', '2 Second'])
  })

  it('of two owners, the first one stops when the second has taken over', async () => {
    const world = aWorld()
    const first = await world.start()
    await world.append('1', 'First')
    await world.hasReacted(['1 First'])
    const second = await world.start()
    await world.append('1', 'Second')
    await eventually(() => first.reactor.status().state === 'failed', 'the first one to stop')
    expect(first.reactor.status().error).toMatchObject({ name: 'ReactionFenced', reaction: world.name })
    await world.append('1', 'Third')
    await world.hasReacted(['1 First', '1 Second', '1 Third'])
    expect(second.reactor.status()).toMatchObject({ state: 'live' })
  })

  it('aborts what is under way when it is stopped, and does it again at the next start', async () => {
    let aborted = false
    const world = aWorld({
      react: (_, signal) =>
        aborted
          ? Promise.resolve()
          : new Promise((_, reject) => {
              signal.addEventListener('abort', () => {
                aborted = true
                reject(signal.reason)
              })
            }),
    })
    const { reactor } = await world.start()
    await world.append('1', 'Slow')
    await eventually(() => world.attempts === 1, 'the attempt')
    await reactor.stop()
    expect(aborted).toBe(true)
    const again = await world.start()
    await world.hasReacted(['1 Slow'])
    expect(await again.parked()).toEqual([])
  })

  it('outlives an event store that goes away: what is in flight goes on, and nothing is lost', async () => {
    const { hostname, port, search } = new URL(url.replace('esdb://', 'http://'))
    const proxy = await startProxy({ host: hostname, port: Number(port) })
    onTestFinished(() => proxy.close())
    const away = connectEventStore(`esdb://127.0.0.1:${proxy.port}/${search}`, { deadline: 1_000 })
    onTestFinished(() => away.close())
    const world = aWorld({ react: async ({ stream }) => world.failFor(stream, '1') })
    const { reactor } = await world.start({ log: away, retry: { ...FAST, maxAttempts: 1_000_000 } })
    await world.append('1', 'InFlight')
    await eventually(() => reactor.status().retrying === 1, 'the event to be in flight')
    proxy.down()
    await eventually(() => reactor.status().state === 'reconnecting', 'the loss to be noticed')
    expect(reactor.status()).toMatchObject({ error: { name: 'StoreUnavailable' }, retrying: 1, lag: undefined })
    world.failing.clear()
    await world.hasReacted(['1 InFlight'])
    await world.append('2', 'Meanwhile')
    proxy.reset()
    await world.hasReacted(['1 InFlight', '2 Meanwhile'])
    await eventually(() => reactor.status().state === 'live', 'it to be live again')
  })

  it('starts while the event store is away, and reacts once it has come', async () => {
    const { hostname, port, search } = new URL(url.replace('esdb://', 'http://'))
    const proxy = await startProxy({ host: hostname, port: Number(port) })
    onTestFinished(() => proxy.close())
    proxy.down()
    const away = connectEventStore(`esdb://127.0.0.1:${proxy.port}/${search}`, { deadline: 1_000 })
    onTestFinished(() => away.close())
    const world = aWorld()
    const { reactor } = await world.start({ log: away })
    expect(reactor.status().state).toBe('reconnecting')
    proxy.reset()
    await eventually(() => reactor.status().state === 'live', 'it to be live')
    await world.append('1', 'First')
    await world.hasReacted(['1 First'])
  })

  it('begins anew from the stored position where something could not be recorded', async () => {
    const world = aWorld()
    let failures = 0
    const broken: ReactionStore = {
      ...world.store,
      async claim(name) {
        const claim = await world.store.claim(name)
        return {
          ...claim,
          async done(event, checkpoint) {
            if (++failures <= 2) throw new Error('disk full')
            await claim.done(event, checkpoint)
          },
        }
      },
    }
    const { reactor } = await world.start({ store: broken })
    const last = await world.append('1', 'First')
    await world.hasReacted(['1 First', '1 First', '1 First'])
    await eventually(() => reactor.status().position >= last, 'it to be recorded')
    expect(reactor.status()).toMatchObject({ state: 'live', lag: 0 })
  })
})

interface WorldOptions {
  readonly types?: readonly string[]
  readonly predicate?: Reaction['predicate']
  readonly react?: Reaction['react']
}

/** A reaction over streams and a file of its own. `1` is short for the stream of the aggregate 1. */
function aWorld({ types, predicate, react = async () => undefined }: WorldOptions = {}) {
  const type = `reacted${randomUUID().replaceAll('-', '')}`
  const name = `test ${type}`
  const store = openReactionStore(join(temporaryFolder(), 'reactions.sqlite'))
  onTestFinished(() => store.close())
  const idOf = (stream: string) => stream.slice(type.length + 1)
  const seen: RecordedEvent[] = []
  const done: string[] = []
  const world = {
    ...{ type, name, store },
    attempts: 0,
    ...{ seen, done },
    failing: new Set<string>(['1', '2', '3']),
    failWith: new Error('told to fail'),
    failFor(stream: string, ...ids: string[]) {
      if (ids.some((id) => id === idOf(stream) && world.failing.has(id))) throw world.failWith
    },
    async append(id: string, eventType: string): Promise<number> {
      const stream = `${type}-${id}`
      let lastNumber = 0
      for await (const { number } of log.read(stream)) lastNumber = number
      const { position } = await log.append(stream, [anEvent(eventType)], lastNumber === 0 ? 'new' : 'exists')
      return position
    },
    async start(options: Partial<ReactorOptions> = {}) {
      const reaction: Reaction = {
        name,
        predicate: predicate ?? { aggregates: [{ type, events: types ?? 'all' }] },
        async react(event, signal) {
          world.seen.push(event)
          world.attempts++
          await react(event, signal)
          world.done.push(`${idOf(event.stream)} ${event.type}`)
        },
      }
      const reactor = new Reactor({ log, store, reaction, retry: FAST, ...options })
      onTestFinished(() => reactor.stop())
      await reactor.start()
      const parked = async () =>
        (await store.parked(name, 100)).map(({ event, failures, reason }) => ({ type: event.type, failures, reason }))
      return { reactor, parked }
    },
    async hasReacted(expected: readonly string[]) {
      await eventually(() => world.done.length >= expected.length, `${expected}`)
      expect(world.done).toEqual(expected)
    },
    async hasReactedInAnyOrder(expected: readonly string[]) {
      await eventually(() => world.done.length >= expected.length, `${expected}`)
      expect(world.done.toSorted()).toEqual(expected.toSorted())
    },
  }
  return world
}

const anEvent = (type: string) => ({ id: randomUUID(), type, data: {}, metadata: {} })
