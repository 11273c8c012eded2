import { randomUUID } from 'node:crypto'
import type { EventSink, EventSource } from '../cqrs/event-store.ts'
import { PreconditionFailed } from '../cqrs/precondition.ts'
import { type SnapshotSink, type SnapshotSource, snapshotSchema } from '../cqrs/snapshot.ts'

/**
 * Snapshots in the event store: that of a stream is the last event of the stream `snapshot-<stream>`, of which the
 * store keeps no other (`$maxCount`: https://docs.kurrent.io/server/v24.10/features/streams.html#reserved-names).
 */
export function eventStoreSnapshots(store: EventSink & EventSource): SnapshotSource & SnapshotSink {
  return {
    async getSnapshot(stream) {
      let stored: unknown
      for await (const { data } of store.readBackwards(streamOf(stream), 'end', 1)) stored = data
      return snapshotSchema.safeParse(stored).data
    },
    async persistSnapshot(stream, snapshot, replaces) {
      // Before the first snapshot, so that there is no instant at which a process that ends leaves a stream that grows.
      if (replaces === 0) await keepOne(store, streamOf(stream))
      const data = { ...snapshot }
      await store.append(streamOf(stream), [{ id: randomUUID(), type: 'Snapshot', data, metadata: {} }])
    },
  }
}

const streamOf = (stream: string) => `snapshot-${stream}`

async function keepOne(store: EventSink, stream: string): Promise<void> {
  const metadata = { id: randomUUID(), type: '$metadata', data: { $maxCount: 1 }, metadata: {} }
  try {
    await store.append(`$$${stream}`, [metadata], 'new')
  } catch (error) {
    if (!(error instanceof PreconditionFailed)) throw error
  }
}
