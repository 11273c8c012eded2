import { randomUUID } from 'node:crypto'
import { CommandHandler } from '@event-driven-io/emmett'
import { getEventStoreDBEventStore } from '@event-driven-io/emmett-esdb'
import { EventStoreDBClient, jsonEvent, NO_STREAM } from '@eventstore/db-client'
import { z } from 'zod'
import { aggregate, type EventOf, type IdOf, type StateOf } from '../src/cqrs/aggregate.ts'
import type { CommandOf } from '../src/cqrs/command.ts'
import type { Entity } from '../src/cqrs/entity.ts'
import { entityStore } from '../src/cqrs/entity-store.ts'
import { everyEvents } from '../src/cqrs/snapshot.ts'
import { connectEventStore } from '../src/eventstoredb/event-store.ts'
import { eventStoreSnapshots } from '../src/eventstoredb/snapshots.ts'
import { compare, count, median, reportComparison } from './figures.ts'
import { startStore } from './processes.ts'

interface Counter {
  readonly total: number
}

const counter = aggregate({
  type: 'counter',
  initial: { total: 0 },
  events: { counted: z.object({ by: z.int() }) },
  apply: (state: Counter, { data }) => ({ total: state.total + data.by }),
})

type Counted = EventOf<typeof counter>
type CounterId = IdOf<typeof counter>

const add =
  (by: number): CommandOf<typeof counter> =>
  () => [{ type: 'counted', data: { by } }]

const AT_ONCE = 64

/** Commands of the kit against bare appends, against themselves with snapshots, and against Emmett. */
export async function kit(rounds: number, entities: number, history: number): Promise<void> {
  const store = await startStore()
  const events = connectEventStore(store.url)
  const client = EventStoreDBClient.connectionString(store.url)
  const plain = entityStore(counter, { events })
  const snapshots = eventStoreSnapshots(events)
  const snapshotting = entityStore(counter, { events, snapshots, strategy: everyEvents(10) })
  const emmett = getEventStoreDBEventStore(client)
  const handle = CommandHandler<Counter, Counted>({ evolve: counter.apply, initialState: () => counter.initial })

  const creating = await compare(
    rounds,
    () => rate(5_000, () => plain.loadOrDefaultExecAndPersist(newId(), add(1), { precondition: 'new' })),
    () =>
      rate(5_000, () => {
        const event = jsonEvent({ type: 'counted', data: { by: 1 } })
        return client.appendToStream(`counter-${newId()}`, event, { expectedRevision: NO_STREAM })
      }),
  )
  reportComparison('create commands', 'bare appends', creating, 0.9)
  const creatingWithEmmett = await compare(
    rounds,
    () => rate(5_000, () => plain.loadOrDefaultExecAndPersist(newId(), add(1), { precondition: 'new' })),
    () => rate(5_000, () => handle(emmett, `counter-${newId()}`, () => [{ type: 'counted', data: { by: 1 } }])),
  )
  reportComparison('create commands', 'Emmett', creatingWithEmmett, 1)

  const [ids, snapshotted] = [await aged(events, entities, history), await aged(events, entities, history)]
  await rate(entities, (index) => snapshotting.loadExecAndPersist(at(snapshotted, index), add(1)))
  const executing = await compare(
    rounds,
    () => rate(entities, (index) => plain.loadExecAndPersist(at(ids, index), add(1))),
    () =>
      rate(entities, (index) =>
        handle(emmett, `counter-${at(ids, index)}`, () => [{ type: 'counted', data: { by: 1 } }]),
      ),
  )
  const what = `commands on ${count(entities)} entities of ${history} events`
  reportComparison(what, 'Emmett', executing, 1)
  const withSnapshots = await compare(
    rounds,
    () => rate(entities, (index) => snapshotting.loadExecAndPersist(at(snapshotted, index), add(1))),
    () => rate(entities, (index) => plain.loadExecAndPersist(at(ids, index), add(1))),
  )
  reportComparison(`${what}, snapshots every 10`, 'no snapshots', withSnapshots)
  const held = new Map<CounterId, Entity<'counter', StateOf<typeof counter>>>()
  for (const id of ids) held.set(id, (await plain.rehydrate(id)) ?? unknownEntity(id))
  const withCache = await compare(
    rounds,
    () =>
      rate(entities, async (index) => {
        const id = at(ids, index)
        const { entity } = await plain.execAndPersist(held.get(id) ?? unknownEntity(id), add(1))
        held.set(id, entity)
      }),
    () => rate(entities, (index) => snapshotting.loadExecAndPersist(at(snapshotted, index), add(1))),
  )
  reportComparison(`${what}, entities held in memory`, 'snapshots every 10', withCache)

  for (const length of [10, 100, 1_000, 10_000]) {
    const [id] = await aged(events, 1, length)
    if (!id) throw new Error('no entity')
    await snapshotting.loadExecAndPersist(id, add(1))
    const times = { plain: await loads(() => plain.rehydrate(id)), kept: await loads(() => snapshotting.rehydrate(id)) }
    console.log(
      `load of ${count(length)} events: ${times.plain.toFixed(2)} ms, with a snapshot ${times.kept.toFixed(2)} ms`,
    )
  }
  await Promise.all([events.close(), client.dispose()])
  await store.stop()
}

const newId = () => counter.id(randomUUID())

function at(ids: readonly CounterId[], index: number): CounterId {
  return ids[index] ?? unknownEntity('')
}

function unknownEntity(id: string): never {
  throw new Error(`no entity ${id}`)
}

/** Entities with so many events each. */
async function aged(events: ReturnType<typeof connectEventStore>, entities: number, history: number) {
  const ids = Array.from({ length: entities }, newId)
  await rate(entities, (index) => {
    const [first, ...rest] = Array.from({ length: history }, () =>
      counter.codec.encode(randomUUID(), { type: 'counted', data: { by: 1 } }, {}),
    )
    if (!first) throw new Error('no history')
    return events.append(`counter-${at(ids, index)}`, [first, ...rest], 'new')
  })
  return ids
}

/** How often a second, with {@link AT_ONCE} at a time. */
async function rate(times: number, task: (index: number) => Promise<unknown>): Promise<number> {
  let next = 0
  const started = performance.now()
  const worker = async () => {
    while (next < times) await task(next++)
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
  return times / ((performance.now() - started) / 1_000)
}

/** Median in milliseconds. */
async function loads(load: () => Promise<unknown>): Promise<number> {
  const times: number[] = []
  for (let round = 0; round < 21; round++) {
    const started = performance.now()
    await load()
    times.push(performance.now() - started)
  }
  return median(times)
}
