import { describe, expect, it } from 'vitest'
import { memoryEventStore, memorySnapshotStore } from '../../src/cqrs/memory.ts'
import { entityStoreContract } from '../../src/cqrs/testing/entity-store-contract.ts'
import { eventLogContract } from '../../src/cqrs/testing/event-log-contract.ts'
import { eventStoreContract } from '../../src/cqrs/testing/event-store-contract.ts'
import { snapshotStoreContract } from '../../src/cqrs/testing/snapshot-store-contract.ts'

describe('memory as the event store', () => {
  const events = memoryEventStore()
  const snapshots = memorySnapshotStore()

  eventStoreContract({ describe, it }, () => events)
  eventLogContract({ describe, it }, () => events)
  snapshotStoreContract({ describe, it }, () => snapshots)
  entityStoreContract({ describe, it }, () => ({ events, snapshots }))

  it('keeps what it was given, whatever becomes of that', async () => {
    const [store, data] = [memoryEventStore(), { n: 1 }]
    await store.append('tested-1', [{ id: 'one', type: 'Tested', data, metadata: {} }])
    data.n = 2
    for await (const event of store.read('tested-1')) expect(event.data).toEqual({ n: 1 })
  })

  it('is empty at first', async () => {
    expect(await memoryEventStore().lastPosition()).toBeUndefined()
  })
})
