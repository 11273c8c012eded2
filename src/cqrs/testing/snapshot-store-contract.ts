import { deepStrictEqual, ok, strictEqual } from 'node:assert/strict'
import type { Snapshot, SnapshotSink, SnapshotSource } from '../snapshot.ts'
import { aStream, type TestApi } from './contract.ts'

/** What every snapshot store of the kit does. The store may hold other people's snapshots. */
export function snapshotStoreContract({ describe, it }: TestApi, store: () => SnapshotSource & SnapshotSink): void {
  describe('a snapshot store', () => {
    it('has none of a stream that it was given none of', async () => {
      strictEqual(await store().getSnapshot(aStream()), undefined)
    })

    it('gives back what it was given', async () => {
      const stream = aStream()
      const snapshot = aSnapshot(3, { nested: [1, 'ü', null, { $date: '2026-01-31T12:00:00.000Z' }] })
      await store().persistSnapshot(stream, snapshot, 0)
      deepStrictEqual(await store().getSnapshot(stream), snapshot)
    })

    it('gives the last of several, of each stream its own', async () => {
      const [one, other] = [aStream(), aStream()]
      await store().persistSnapshot(one, aSnapshot(1), 0)
      await store().persistSnapshot(other, aSnapshot(7), 0)
      await store().persistSnapshot(one, aSnapshot(2), 1)
      await store().persistSnapshot(one, aSnapshot(3), 2)
      deepStrictEqual(await store().getSnapshot(one), aSnapshot(3))
      deepStrictEqual(await store().getSnapshot(other), aSnapshot(7))
    })

    it('replaces one that the writer does not know of', async () => {
      const stream = aStream()
      await store().persistSnapshot(stream, aSnapshot(9), 0)
      await store().persistSnapshot(stream, aSnapshot(2), 0)
      deepStrictEqual(await store().getSnapshot(stream), aSnapshot(2))
    })

    it('keeps one of several that are written at once', async () => {
      const stream = aStream()
      const versions = [1, 2, 3, 4, 5]
      await Promise.all(versions.map((version) => store().persistSnapshot(stream, aSnapshot(version), 0)))
      const kept = await store().getSnapshot(stream)
      ok(kept !== undefined && versions.includes(kept.version))
    })
  })
}

function aSnapshot(version: number, state: unknown = { version }): Snapshot {
  return { version, lastEventId: `event-${version}`, fingerprint: 'shape', state }
}
