import { randomUUID } from 'node:crypto'
import type { RawEvent, RecordedEvent } from '../event.ts'
import type { EventSource } from '../event-store.ts'

/** What contract suites need of a test runner: vitest, jest, node:test and others have it. They check with node:assert. */
export interface TestApi {
  readonly describe: (name: string, suite: () => void) => unknown
  readonly it: (name: string, test: () => Promise<void>) => unknown
}

/** A stream that no other test uses, so that suites may run against a store that others use too. */
export const aStream = () => `contract${randomUUID().replaceAll('-', '')}-1`

export const anEvent = (): RawEvent => ({ id: randomUUID(), type: 'Tested', data: { n: 1 }, metadata: {} })

export const someEvents = (count: number): [RawEvent, ...RawEvent[]] => [
  anEvent(),
  ...Array.from({ length: count - 1 }, () => anEvent()),
]

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const collected = []
  for await (const item of items) collected.push(item)
  return collected
}

export function readAll(store: EventSource, stream: string): Promise<RecordedEvent[]> {
  return collect(store.read(stream))
}

export const numbersOf = (events: readonly { readonly number: number }[]) => events.map(({ number }) => number)
