import { randomUUID } from 'node:crypto'
import { EventStoreDBClient } from '@eventstore/db-client'
import { afterAll, describe, expect, it } from 'vitest'
import type { NewEvent } from '../../src/cqrs/event.ts'
import { connectEventStore } from '../../src/eventstoredb/event-store.ts'
import { eventStoreContract } from '../cqrs/event-store.contract.ts'
import { eventStoreUrl } from '../support/event-store.ts'

const url = await eventStoreUrl()
const store = connectEventStore(url)
const client = EventStoreDBClient.connectionString(url)
afterAll(() => Promise.all([store.close(), client.dispose()]))

describe('EventStoreDB as the event store', () => {
  eventStoreContract(() => store)

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
    it.each(['new', 'exists', { lastNumber: 1 }] as const)('refuses an append that expects %j', async (expected) => {
      const stream = aStream()
      await store.append(stream, [anEvent()], 'new')
      await client.tombstoneStream(stream)
      const refusal = { name: 'StreamDeleted', stream }
      await expect(store.append(stream, [anEvent()], expected)).rejects.toMatchObject(refusal)
    })
  })
})

const aStream = () => `store${randomUUID().replaceAll('-', '')}-1`

const anEvent = (): NewEvent => ({ id: randomUUID(), type: 'Tested', data: {}, metadata: {} })

async function numbersOf(stream: string): Promise<number[]> {
  const numbers = []
  for await (const { number } of store.read(stream)) numbers.push(number)
  return numbers
}
