import { z } from 'zod'
import { connectEventStore } from '../../src/eventstoredb/event-store.ts'

/** An event of a user's stream, as the store has it. */
export interface LogEntry {
  readonly position: number
  readonly stream: string
  readonly number: number
  readonly eventId: string
  readonly type: string
  /** When the store recorded it, by the clock that it had then: milliseconds since the Unix epoch. */
  readonly created: number
  /** What a registration says; undefined where the event is another, or makes no sense. */
  readonly user: { readonly id: string; readonly name: string; readonly email: string } | undefined
}

const registered = z.object({ id: z.ulid(), name: z.string().min(1), email: z.string().min(1) })

/** All of it, read past the service. */
export async function readLog(storeUrl: string): Promise<LogEntry[]> {
  const store = connectEventStore(storeUrl)
  const stop = new AbortController()
  const entries: LogEntry[] = []
  try {
    const options = { after: undefined, streamPrefixes: ['user-'], maxBatch: 1_000, signal: stop.signal }
    for await (const { events, caughtUp } of store.subscribe(options)) {
      for (const { id: eventId, position, stream, number, type, data, created } of events) {
        const user = type === 'UserRegistered' ? registered.safeParse(data).data : undefined
        entries.push({ position, stream, number, eventId, type, user, created: created.getTime() })
      }
      if (caughtUp) break
    }
  } finally {
    stop.abort()
    await store.close()
  }
  return entries
}
