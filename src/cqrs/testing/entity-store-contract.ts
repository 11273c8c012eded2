import { deepStrictEqual, ok, rejects, strictEqual } from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import { aggregate, type StateOf, streamOf } from '../aggregate.ts'
import type { CommandOf } from '../command.ts'
import { type EntityStoreOptions, entityStore } from '../entity-store.ts'
import type { EventSink, EventSource } from '../event-store.ts'
import { alwaysSnapshot, everyEvents, type SnapshotSink, type SnapshotSource } from '../snapshot.ts'
import { collect, numbersOf, readAll, type TestApi } from './contract.ts'

interface Stores {
  readonly events: EventSink & EventSource
  readonly snapshots: SnapshotSource & SnapshotSink
}

/** What an entity store does over any event store and any snapshot store. They may hold other people's streams. */
export function entityStoreContract({ describe, it }: TestApi, stores: () => Stores): void {
  const storeWith = (options: Partial<EntityStoreOptions> = {}) => entityStore(counter, { ...stores(), ...options })
  const withHistory = async (count: number, options: Partial<EntityStoreOptions> = {}) => {
    const id = anId()
    for (let n = 0; n < count; n++) await storeWith(options).loadOrDefaultExecAndPersist(id, add(1n))
    return id
  }

  describe('an entity', () => {
    it('without events does not exist', async () => {
      strictEqual(await storeWith().rehydrate(anId()), undefined)
      strictEqual(await storeWith().loadExecAndPersist(anId(), add(1n)), undefined)
    })

    it('is created by a command on the initial state', async () => {
      const [store, id] = [storeWith(), anId()]
      const result = await store.loadOrDefaultExecAndPersist(id, add(2n), { metadata: { initiatedBy: 'Ada' } })
      ok('entity' in result)
      deepStrictEqual(result.events, [{ number: 1, event: { type: 'added', data: { amount: 2n } } }])
      deepStrictEqual(await store.rehydrate(id), result.entity)
      const [recorded] = await readAll(stores().events, streamOf(counter, id))
      strictEqual(recorded?.position, result.position)
      deepStrictEqual(recorded?.metadata, { initiatedBy: 'Ada', schemaVersion: 1 })
    })

    it('is not changed by a refusal, which is the result', async () => {
      const [store, id] = [storeWith(), await withHistory(1)]
      const result = await store.loadExecAndPersist(id, add(-5n))
      deepStrictEqual(result, { refusal: 'would be negative' })
      strictEqual((await store.rehydrate(id))?.version, 1)
    })

    it('is not changed by a command without events', async () => {
      const [store, id] = [storeWith(), await withHistory(1)]
      const entity = await store.rehydrate(id)
      deepStrictEqual(await store.loadExecAndPersist(id, add(0n)), { entity, events: [], position: undefined })
    })

    it('is refreshed with the events that it has missed', async () => {
      const [watched, id] = [watch(stores().events), await withHistory(2)]
      const store = storeWith({ events: watched.events })
      const entity = await store.rehydrate(id)
      ok(entity)
      await storeWith().loadExecAndPersist(id, add(5n))
      watched.reads.length = 0
      strictEqual((await store.refresh(entity)).state.total, 7n)
      deepStrictEqual(watched.reads, [{ since: 2, numbers: [3] }])
    })

    it('gives its events, the oldest or the newest first', async () => {
      const [store, id] = [storeWith(), await withHistory(4)]
      deepStrictEqual(numbersOf(await collect(store.readEvents(id, 1, 2))), [2, 3])
      const newest = await collect(store.readEventsBackwards(id, 4, 2))
      deepStrictEqual(numbersOf(newest), [3, 2])
      deepStrictEqual(newest[0]?.event, { type: 'added', data: { amount: 1n } })
    })

    it('with an event that is none of its own cannot be loaded', async () => {
      const [id, alien] = [await withHistory(1), { id: randomUUID(), type: 'Alien', data: {}, metadata: {} }]
      await stores().events.append(streamOf(counter, id), [alien])
      const corrupt = { name: 'CorruptEvent', stream: streamOf(counter, id), number: 2, type: 'Alien' }
      await rejects(storeWith().rehydrate(id), corrupt)
    })
  })

  describe('a precondition', () => {
    for (const [expected, count, actual] of [
      ['new', 2, 2],
      [{ version: 1 }, 2, 2],
      [{ version: 3 }, 2, 2],
      [{ version: 0 }, 2, 2],
      ['exists', 0, 0],
      [{ version: 1 }, 0, 0],
    ] as const) {
      it(`${JSON.stringify(expected)} does not hold at version ${count}`, async () => {
        const id = await withHistory(count)
        const command = storeWith().loadOrDefaultExecAndPersist(id, add(1n), { precondition: expected })
        await rejects(command, { name: 'PreconditionFailed', stream: streamOf(counter, id), expected, actual })
        strictEqual((await readAll(stores().events, streamOf(counter, id))).length, count)
      })
    }

    for (const [precondition, count] of [
      ['new', 0],
      [{ version: 0 }, 0],
      ['exists', 2],
      [{ version: 2 }, 2],
    ] as const) {
      it(`${JSON.stringify(precondition)} holds at version ${count}`, async () => {
        const result = await storeWith().loadOrDefaultExecAndPersist(await withHistory(count), add(1n), {
          precondition,
        })
        strictEqual('entity' in result && result.entity.version, count + 1)
      })
    }

    it('of a new entity costs one append and no read', async () => {
      const watched = watch(stores().events)
      await storeWith({ events: watched.events }).loadOrDefaultExecAndPersist(anId(), add(1n), { precondition: 'new' })
      deepStrictEqual([watched.reads, watched.appends], [[], 1])
    })
  })

  describe('a command that loses a race', () => {
    it('reads only what it missed, and decides again', async () => {
      const [watched, id] = [watch(stores().events), await withHistory(3)]
      const store = storeWith({ events: watched.events })
      const entity = await store.rehydrate(id)
      ok(entity)
      await storeWith().loadExecAndPersist(id, add(10n))
      watched.reads.length = 0
      const seen: bigint[] = []
      const result = await store.execAndPersist(entity, (state) => {
        seen.push(state.total)
        return add(1n)(state)
      })
      deepStrictEqual(seen, [3n, 13n])
      deepStrictEqual(watched.reads, [{ since: 3, numbers: [4] }])
      strictEqual('entity' in result && result.entity.state.total, 14n)
    })

    it('may be refused on what it then knows', async () => {
      const id = await withHistory(1)
      const entity = await storeWith().rehydrate(id)
      ok(entity)
      await storeWith().loadExecAndPersist(id, add(-1n))
      deepStrictEqual(await storeWith().execAndPersist(entity, add(-1n)), { refusal: 'would be negative' })
    })

    it('gives up after so many times', async () => {
      const id = await withHistory(1)
      let decisions = 0
      const overtaken = watch(stores().events, () => storeWith().loadExecAndPersist(id, add(1n)))
      const command = storeWith({ events: overtaken.events, retries: 2 }).loadExecAndPersist(id, (state) => {
        decisions++
        return add(1n)(state)
      })
      await rejects(command, { name: 'PreconditionFailed', expected: { version: 3 }, actual: 4 })
      strictEqual(decisions, 3)
    })

    it('does not decide again where the caller fixed the version', async () => {
      const id = await withHistory(1)
      const overtaken = watch(stores().events, () => storeWith().loadExecAndPersist(id, add(1n)))
      const store = storeWith({ events: overtaken.events })
      const command = store.loadExecAndPersist(id, add(1n), { precondition: { version: 1 } })
      await rejects(command, { name: 'PreconditionFailed', expected: { version: 1 }, actual: 2 })
      strictEqual(overtaken.appends, 1)
    })
  })

  describe('a snapshot', () => {
    const every3 = { strategy: everyEvents(3) }

    it('is made when the strategy wants it, and spares reading what came before it', async () => {
      const [watched, id] = [watch(stores().events), await withHistory(8, every3)]
      const loaded = await storeWith({ ...every3, events: watched.events }).rehydrate(id)
      deepStrictEqual([loaded?.snapshotVersion, loaded?.version, loaded?.state.total], [6, 8, 8n])
      deepStrictEqual(watched.reads, [{ since: 5, numbers: [6, 7, 8] }])
    })

    it('is made again after so many events of an entity that is kept', async () => {
      const store = storeWith(every3)
      let entity = await store.rehydrate(await withHistory(1))
      const versions = []
      while (entity && entity.version < 8) {
        const result = await store.execAndPersist(entity, add(1n))
        entity = 'entity' in result ? result.entity : undefined
        versions.push(entity?.snapshotVersion)
      }
      deepStrictEqual(versions, [0, 3, 3, 3, 6, 6, 6])
    })

    it('keeps bigint, Date and binary', async () => {
      const id = await withHistory(1, { strategy: alwaysSnapshot })
      const loaded = await storeWith().rehydrate(id)
      strictEqual(loaded?.snapshotVersion, 1)
      deepStrictEqual(loaded.state, { total: 1n, since: new Date(0), bytes: Uint8Array.of(1, 2) })
    })

    it('of another shape is ignored and replaced', async () => {
      const id = await withHistory(1, { strategy: alwaysSnapshot })
      const reshaped = entityStore({ ...counter, snapshotVersion: 2 }, { ...stores(), strategy: alwaysSnapshot })
      const loaded = await reshaped.rehydrate(id)
      deepStrictEqual([loaded?.snapshotVersion, loaded?.version], [0, 1])
      await reshaped.loadExecAndPersist(id, add(1n))
      strictEqual((await reshaped.rehydrate(id))?.snapshotVersion, 2)
    })

    for (const [what, changes] of [
      ['from ahead of its stream', { version: 9 }],
      ['of another history', { lastEventId: randomUUID() }],
    ] as const) {
      it(`${what} is ignored and replaced`, async () => {
        const id = await withHistory(2, { strategy: alwaysSnapshot })
        const stream = streamOf(counter, id)
        const snapshot = await stores().snapshots.getSnapshot(stream)
        ok(snapshot)
        await stores().snapshots.persistSnapshot(stream, { ...snapshot, state: { total: 'wrong' }, ...changes }, 2)
        const store = storeWith({ strategy: alwaysSnapshot })
        const loaded = await store.rehydrate(id)
        deepStrictEqual([loaded?.snapshotVersion, loaded?.version, loaded?.state.total], [0, 2, 2n])
        await store.loadExecAndPersist(id, add(1n))
        strictEqual((await store.rehydrate(id))?.snapshotVersion, 3)
      })
    }

    it('that cannot be written does not fail the command, and is reported', async () => {
      const [id, failures]: [ReturnType<typeof anId>, unknown[]] = [anId(), []]
      const persistSnapshot = () => Promise.reject(new Error('disk full'))
      const store = storeWith({
        snapshots: { ...stores().snapshots, persistSnapshot },
        strategy: alwaysSnapshot,
        onSnapshotFailed: (error, stream) => failures.push([String(error), stream]),
      })
      const result = await store.loadOrDefaultExecAndPersist(id, add(1n))
      deepStrictEqual('entity' in result && [result.entity.version, result.entity.snapshotVersion], [1, 0])
      deepStrictEqual(failures, [['Error: disk full', streamOf(counter, id)]])
    })
  })
}

interface Counter {
  readonly total: bigint
  readonly since: Date
  readonly bytes: Uint8Array
}

const counter = aggregate({
  type: 'contract_counter',
  initial: { total: 0n, since: new Date(0), bytes: Uint8Array.of(1, 2) },
  events: { added: z.object({ amount: z.bigint() }) },
  apply: (state: Counter, { data }) => ({ ...state, total: state.total + data.amount }),
})

const anId = () => counter.id(randomUUID())

const add =
  (amount: bigint): CommandOf<typeof counter, 'would be negative'> =>
  ({ total }: StateOf<typeof counter>) => {
    if (total + amount < 0n) return { refusal: 'would be negative' }
    return amount === 0n ? [] : [{ type: 'added', data: { amount } }]
  }

interface Read {
  readonly since: number | undefined
  readonly numbers: number[]
}

/** The store, what is read from it, and something that happens before each append. */
function watch(store: EventSink & EventSource, beforeAppend: () => Promise<unknown> = async () => undefined) {
  const reads: Read[] = []
  const watched = { reads, appends: 0, events: { ...store, append, read } }
  return watched

  async function append(...parameters: Parameters<EventSink['append']>) {
    watched.appends++
    await beforeAppend()
    return store.append(...parameters)
  }

  async function* read(...parameters: Parameters<EventSource['read']>) {
    const read: Read = { since: parameters[1], numbers: [] }
    reads.push(read)
    for await (const event of store.read(...parameters)) {
      read.numbers.push(event.number)
      yield event
    }
  }
}
