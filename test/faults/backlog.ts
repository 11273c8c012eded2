import { setTimeout } from 'node:timers/promises'
import { EventStoreDBClient, jsonEvent, NO_STREAM } from '@eventstore/db-client'

/** Events of one append. The store takes 1 MiB at once. */
const APPENDED_AT_ONCE = 100

/** How often an append is tried. */
const ATTEMPTS = 20

/** Where a stream stands: an append that is repeated must say the same. */
export interface Backlog {
  readonly stream: string
  /** Events that it has. */
  length: number
}

/** Appends so many events, in order, each once, however often the connection breaks. */
export async function fill(
  storeUrl: string,
  backlog: Backlog,
  count: number,
  make: (index: number) => { readonly type: string; readonly data: Record<string, unknown> },
): Promise<void> {
  let client = EventStoreDBClient.connectionString(storeUrl)
  const end = backlog.length + count
  let events: ReturnType<typeof jsonEvent>[] = []
  let failures = 0
  while (backlog.length < end) {
    const size = Math.min(APPENDED_AT_ONCE, end - backlog.length)
    if (events.length === 0)
      events = Array.from({ length: size }, (_, index) => jsonEvent(make(backlog.length + index)))
    const expectedRevision = backlog.length === 0 ? NO_STREAM : BigInt(backlog.length - 1)
    try {
      await client.appendToStream(backlog.stream, events, { expectedRevision })
      backlog.length += events.length
      events = []
      failures = 0
    } catch (error) {
      if (++failures === ATTEMPTS) throw error
      // The appends of all clients in a process fail when one of their connections does.
      await client.dispose()
      await setTimeout(50)
      client = EventStoreDBClient.connectionString(storeUrl)
    }
  }
  await client.dispose()
}
