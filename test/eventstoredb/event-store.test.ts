import { randomUUID } from 'node:crypto'
import { EventStoreDBClient } from '@eventstore/db-client'
import { afterAll, describe, expect, it } from 'vitest'
import { streamOf } from '../../src/cqrs/aggregate.ts'
import { entityStore } from '../../src/cqrs/entity-store.ts'
import type { RawEvent, RecordedEvent } from '../../src/cqrs/event.ts'
import { alwaysSnapshot } from '../../src/cqrs/snapshot.ts'
import { entityStoreContract } from '../../src/cqrs/testing/entity-store-contract.ts'
import { eventLogContract } from '../../src/cqrs/testing/event-log-contract.ts'
import { eventStoreContract } from '../../src/cqrs/testing/event-store-contract.ts'
import { snapshotStoreContract } from '../../src/cqrs/testing/snapshot-store-contract.ts'
import { connectEventStore } from '../../src/eventstoredb/event-store.ts'
import { eventStoreSnapshots } from '../../src/eventstoredb/snapshots.ts'
import { complete, create, todo } from '../cqrs/todo.ts'
import { eventStoreUrl } from '../support/event-store.ts'

const url = await eventStoreUrl()
const store = connectEventStore(url)
const client = EventStoreDBClient.connectionString(url)
afterAll(() => Promise.all([store.close(), client.dispose()]))

describe('EventStoreDB as the event store', () => {
  const snapshots = eventStoreSnapshots(store)

  eventStoreContract({ describe, it }, () => store)
  eventLogContract({ describe, it }, () => store)
  snapshotStoreContract({ describe, it }, () => snapshots)
  entityStoreContract({ describe, it }, () => ({ events: store, snapshots }))

  it('refuses for good what is too large', async () => {
    const stream = aStream()
    const large = { ...anEvent(), data: { text: 'x'.repeat(1_100_000) } }
    const refusal = { name: 'AppendRefused', stream }
    await expect(store.append(stream, [large], 'new')).rejects.toMatchObject(refusal)
    expect(await numbersOf(stream)).toEqual([])
  })

  it('has nothing left open by reads that were broken off', async () => {
    const stream = aStream()
    await store.append(stream, [anEvent(), anEvent(), anEvent()], 'new')
    const other = connectEventStore(url)
    for await (const { number } of other.read(stream)) if (number === 1) break
    await other.close()
  })

  describe('a deleted stream', () => {
    it('reads as if it did not exist, and goes on at its old numbers', async () => {
      const stream = aStream()
      await store.append(stream, [anEvent(), anEvent()], 'new')
      await client.deleteStream(stream)
      expect(await numbersOf(stream)).toEqual([])
      expect(await store.append(stream, [anEvent()], 'new')).toMatchObject({ lastNumber: 3 })
      expect(await numbersOf(stream)).toEqual([3])
    })

    it('does not exist for an append that expects it to', async () => {
      const stream = aStream()
      await store.append(stream, [anEvent()], 'new')
      await client.deleteStream(stream)
      await expect(store.append(stream, [anEvent()], 'exists')).rejects.toMatchObject({ name: 'StreamDeleted' })
    })

    it('still recognises a repeated append', async () => {
      const stream = aStream()
      const event = anEvent()
      await store.append(stream, [event], 'new')
      await client.deleteStream(stream)
      expect(await store.append(stream, [event], 'new')).toMatchObject({ lastNumber: 1 })
      expect(await numbersOf(stream)).toEqual([])
    })
  })

  describe('a tombstoned stream', () => {
    it.each(['new', 'exists', { version: 1 }] as const)('refuses an append that expects %j', async (expected) => {
      const stream = aStream()
      await store.append(stream, [anEvent()], 'new')
      await client.tombstoneStream(stream)
      const refusal = { name: 'StreamDeleted', stream }
      await expect(store.append(stream, [anEvent()], expected)).rejects.toMatchObject(refusal)
    })
  })

  describe('a snapshot', () => {
    const snapshot = { version: 2, lastEventId: randomUUID(), fingerprint: 'shape', state: { n: 1 } }

    it('is the only event of a stream of its own', async () => {
      const stream = aStream()
      for (const replaces of [0, 2, 2]) await snapshots.persistSnapshot(stream, snapshot, replaces)
      const stored = await eventsOf(`snapshot-${stream}`)
      expect(stored).toMatchObject([{ number: 3, type: 'Snapshot', data: snapshot }])
      const { metadata } = await client.getStreamMetadata(`snapshot-${stream}`)
      expect(metadata).toEqual({ maxCount: 1 })
      expect(await eventsOf(`$$snapshot-${stream}`)).toHaveLength(1)
    })

    it('that is none counts as missing', async () => {
      const stream = aStream()
      for (const data of [{}, { ...snapshot, version: 0 }, { ...snapshot, fingerprint: undefined }]) {
        await store.append(`snapshot-${stream}`, [{ ...anEvent(), data }])
        expect(await snapshots.getSnapshot(stream)).toBeUndefined()
      }
    })

    it('of a stream that was deleted and goes on is ignored', async () => {
      const [entities, id] = [entityStore(todo, { events: store, snapshots, strategy: alwaysSnapshot }), anId()]
      await entities.loadOrDefaultExecAndPersist(id, create('milk'))
      await entities.loadExecAndPersist(id, complete())
      await client.deleteStream(streamOf(todo, id))
      expect(await entities.rehydrate(id)).toBeUndefined()
      const again = await entities.loadOrDefaultExecAndPersist(id, create('tea'))
      expect(again).toMatchObject({ entity: { version: 3, snapshotVersion: 3, state: { text: 'tea' } } })
      expect(await entities.rehydrate(id)).toMatchObject({ version: 3, state: { text: 'tea', completed: false } })
    })
  })
})

const aStream = () => `store${randomUUID().replaceAll('-', '')}-1`

const anEvent = (): RawEvent => ({ id: randomUUID(), type: 'Tested', data: {}, metadata: {} })

const anId = () => todo.id(randomUUID())

async function eventsOf(stream: string): Promise<RecordedEvent[]> {
  const events = []
  for await (const event of store.read(stream)) events.push(event)
  return events
}

async function numbersOf(stream: string): Promise<number[]> {
  const numbers = []
  for await (const { number } of store.read(stream)) numbers.push(number)
  return numbers
}
