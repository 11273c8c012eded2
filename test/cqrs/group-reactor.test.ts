import { randomUUID } from 'node:crypto'
import { afterAll, describe, expect, it, onTestFinished } from 'vitest'
import type { RecordedEvent } from '../../src/cqrs/event.ts'
import { GroupReactor } from '../../src/cqrs/group-reactor.ts'
import { Hopeless, ReactionUnwanted, Throttled } from '../../src/cqrs/reaction.ts'
import type { ReactorNews } from '../../src/cqrs/reactor.ts'
import { connectEventStore } from '../../src/eventstoredb/event-store.ts'
import { startProxy } from '../faults/proxy.ts'
import { eventStoreUrl } from '../support/event-store.ts'
import { eventually } from '../support/eventually.ts'

const url = await eventStoreUrl()
const store = connectEventStore(url)
afterAll(() => store.close())

const FAST = { firstWait: 1, longestWait: 4, maxAttempts: 3 }

describe('a reactor of a group', () => {
  it('reacts to what happens from its first start on, and to nothing from before', async () => {
    const world = aWorld()
    await world.append('1', 'Before')
    await world.start()
    await world.append('1', 'After')
    await world.append('2', 'After')
    await world.hasReacted(['1 After', '2 After'])
  })

  it('shares the events with the others, each event once', async () => {
    const world = aWorld()
    const seenBy = [0, 0, 0]
    for (const index of seenBy.keys()) {
      await world.start({
        react: async () => {
          seenBy[index] = (seenBy[index] ?? 0) + 1
        },
      })
    }
    const ids = Array.from({ length: 60 }, (_, index) => String(index))
    await Promise.all(ids.map((id) => world.append(id, 'Happened')))
    await world.hasReacted(ids.map((id) => `${id} Happened`))
    await Promise.all(world.reactors.map((reactor) => reactor.stop()))
    expect(seenBy.reduce((sum, count) => sum + count)).toBe(60)
    expect(seenBy.filter((count) => count > 0).length).toBeGreaterThan(1)
  })

  it('reacts to the events of a stream one after the other', async () => {
    let underWay = 0
    let most = 0
    const world = aWorld()
    await world.start({
      react: async () => {
        most = Math.max(most, ++underWay)
        await new Promise(setImmediate)
        underWay--
      },
    })
    for (let number = 0; number < 20; number++) await world.append('1', `Event${number}`)
    await world.hasReacted(Array.from({ length: 20 }, (_, number) => `1 Event${number}`))
    expect(most).toBe(1)
    expect(world.done).toEqual(Array.from({ length: 20 }, (_, number) => `1 Event${number}`))
  })

  it('goes on where the group stopped, and settles on its way out what it has done', async () => {
    const world = aWorld()
    const first = await world.start()
    await world.append('1', 'First')
    await world.hasReacted(['1 First'])
    await first.stop()
    expect(first.status().state).toBe('stopped')
    await world.append('1', 'Second')
    await world.start()
    await world.hasReacted(['1 First', '1 Second'])
  })

  it('lets attempts end that are under way when it is stopped', async () => {
    const world = aWorld()
    let finish = () => {}
    const reactor = await world.start({ react: () => new Promise((resolve) => (finish = () => resolve())) })
    await world.append('1', 'Slow')
    await eventually(() => reactor.status().lag === 1 && world.seen.length === 1, 'the attempt')
    const stopped = reactor.stop()
    finish()
    await stopped
    expect(world.done).toEqual(['1 Slow'])
    await world.start()
    await world.append('1', 'Later')
    await world.hasReacted(['1 Slow', '1 Later'])
  })

  it('tries again what failed, counts how often, and parks it after so many times', async () => {
    const world = aWorld()
    const reactor = await world.start({ react: () => Promise.reject(new Error('no luck')) })
    await world.append('1', 'Doomed')
    await eventually(() => world.news.some(({ kind }) => kind === 'parked'), 'the event to be parked')
    expect(world.seen.length).toBe(FAST.maxAttempts)
    expect(world.news.flatMap((news) => (news.kind === 'retrying' ? [news.failures] : []))).toEqual([1, 2])
    await eventually(() => reactor.status().parked === 1, 'the store to tell')
  })

  it('parks at once what is hopeless, and tries it once more at the next start', async () => {
    const world = aWorld()
    const first = await world.start({ react: () => Promise.reject(new Hopeless('not valid')) })
    await world.append('1', 'Odd')
    await eventually(() => first.status().parked === 1, 'the event to be parked')
    expect(world.seen.length).toBe(1)
    await first.stop()
    const second = await world.start()
    await world.hasReacted(['1 Odd'])
    await eventually(() => second.status().parked === 0, 'it to be parked no longer')
  })

  it('begins nothing for a while where it is throttled', async () => {
    const world = aWorld()
    let throttledAt = 0
    const begun: number[] = []
    await world.start({
      retry: { firstWait: 1, longestWait: 150, maxAttempts: 10 },
      react: async () => {
        begun.push(performance.now())
        if (throttledAt > 0) return
        throttledAt = performance.now()
        throw new Throttled('too many', 150)
      },
    })
    await world.append('1', 'First')
    await eventually(() => throttledAt > 0, 'the first attempt')
    await world.append('2', 'Second')
    await world.hasReacted(['1 First', '2 Second'])
    expect(Math.min(...begun.slice(1)) - throttledAt).toBeGreaterThanOrEqual(149)
  })

  it('stops for good where it is unwanted, and leaves the event to others', async () => {
    const world = aWorld()
    const first = await world.start({ react: () => Promise.reject(new ReactionUnwanted('gone')) })
    await world.append('1', 'Unwanted')
    await eventually(() => first.status().state === 'failed', 'the reactor to stop')
    await world.start()
    await world.hasReacted(['1 Unwanted'])
  })

  it('joins again after its connection broke, with nothing lost', async () => {
    const { hostname, port, search } = new URL(url.replace('esdb://', 'http://'))
    const proxy = await startProxy({ host: hostname, port: Number(port) })
    onTestFinished(() => proxy.close())
    const remote = connectEventStore(`esdb://127.0.0.1:${proxy.port}/${search}`, { deadline: 1_000 })
    onTestFinished(() => remote.close())
    const world = aWorld()
    const reactor = await world.start({ groups: remote })
    await world.append('1', 'First')
    await world.hasReacted(['1 First'])
    proxy.down()
    await eventually(() => reactor.status().state !== 'live', 'the loss to be noticed')
    await world.append('1', 'Second')
    proxy.reset()
    await eventually(() => world.done.includes('1 Second'), 'the reaction')
  })
})

function aWorld() {
  const type = `gr${randomUUID().slice(0, 8)}`
  const seen: RecordedEvent[] = []
  const done: string[] = []
  const news: ReactorNews[] = []
  const reactors: GroupReactor[] = []
  return {
    ...{ seen, done, news, reactors },
    append: (id: string, event: string) =>
      store.append(`${type}-${id}`, [{ id: randomUUID(), type: event, data: {}, metadata: {} }]),
    async start({
      react = async () => undefined,
      retry = FAST,
      groups = store,
    }: Partial<{ react: () => Promise<void>; retry: typeof FAST; groups: typeof store }> = {}) {
      const reaction = {
        name: type,
        predicate: { aggregates: [{ type, events: 'all' as const }] },
        async react(event: RecordedEvent) {
          seen.push(event)
          await react()
          done.push(`${event.stream.slice(type.length + 1)} ${event.type}`)
        },
      }
      const options = { groups, group: type, reaction, retry, onNews: (item: ReactorNews) => void news.push(item) }
      const reactor = new GroupReactor(options)
      reactors.push(reactor)
      onTestFinished(() => reactor.stop())
      await reactor.start()
      await eventually(() => reactor.status().state === 'live', 'the reactor to join')
      return reactor
    },
    async hasReacted(expected: readonly string[]) {
      await eventually(() => done.length >= expected.length, `reactions to ${expected.length} events`)
      expect([...done].sort()).toEqual([...expected].sort())
    },
  }
}
