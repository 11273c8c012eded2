import { deepStrictEqual, strictEqual } from 'node:assert/strict'
import fc from 'fast-check'
import { type Aggregate, applyAll } from '../aggregate.ts'
import { entityStore } from '../entity-store.ts'
import type { Event } from '../event.ts'
import type { EventCodec } from '../event-codec.ts'
import { toJson } from '../json.ts'
import { memoryEventStore, memorySnapshotStore } from '../memory.ts'

/**
 * What a codec gives back is what it was given, through JSON text.
 *
 * @throws {Error} of fast-check, with the smallest event that it does not hold for.
 */
export function roundTripLaw<E extends Event>(
  { codec }: { readonly codec: EventCodec<E> },
  event: fc.Arbitrary<E>,
  parameters?: fc.Parameters<[E]>,
): void {
  const holds = (event: E) => {
    const place = { stream: 'law', number: 1, position: 1, created: new Date(0) }
    const raw = codec.encode('00000000-0000-4000-8000-000000000000', event, {})
    deepStrictEqual(codec.decode({ ...place, ...throughText(raw) }), event)
  }
  fc.assert(fc.property(event, holds), parameters)
}

/**
 * Folding all events gives the same state as a snapshot after any of them and then the rest. Also shows that the state
 * can be stored, and that `apply` depends on nothing but its parameters. Members that are undefined are left out of
 * snapshots: an `apply` that tells them from missing ones breaks the law.
 *
 * @throws {Error} of fast-check, with the smallest sequence that it does not hold for.
 */
export async function replayLaw<Type extends string, State, E extends Event>(
  aggregate: Aggregate<Type, State, E>,
  events: fc.Arbitrary<readonly E[]>,
  parameters?: fc.Parameters<[readonly E[], number]>,
): Promise<void> {
  const id = aggregate.id('law')
  const holds = async (events: readonly E[], anywhere: number) => {
    const at = anywhere % (events.length + 1)
    const failures: unknown[] = []
    const stores = { events: memoryEventStore(), snapshots: memorySnapshotStore() }
    const store = entityStore(aggregate, {
      ...stores,
      strategy: (version) => (version === at ? 'should snapshot' : 'do not snapshot'),
      onSnapshotFailed: (error) => failures.push(error),
    })
    for (const event of events) await store.loadOrDefaultExecAndPersist(id, () => [event])
    deepStrictEqual(failures, [])
    const restored = await store.rehydrate(id)
    strictEqual(restored?.snapshotVersion ?? 0, at)
    const folded = applyAll(aggregate, aggregate.initial, events)
    deepStrictEqual(toJson(restored?.state ?? aggregate.initial), toJson(folded))
  }
  await fc.assert(fc.asyncProperty(events, fc.nat(1_000), holds), parameters)
}

function throughText<T>(value: T): T {
  return JSON.parse(JSON.stringify(value))
}
