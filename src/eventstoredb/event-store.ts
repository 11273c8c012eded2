import { EventStoreDBClient } from '@eventstore/db-client'
import type { EventNumber } from '../cqrs/event.ts'
import { type EventLog, type EventSink, type EventSource, StoreUnavailable } from '../cqrs/event-store.ts'
import { Appender } from './append.ts'
import { Arrivals } from './arrivals.ts'
import { lastPosition, readStream, readStreamBackwards } from './read.ts'
import { subscribeToLog } from './subscribe.ts'

export interface EventStore extends EventSink, EventSource, EventLog {
  /** Ends every call that is under way; their outcome is unknown. */
  close(): Promise<void>
}

export interface EventStoreOptions {
  /** Milliseconds within which every append and read is answered, or fails with {@link StoreUnavailable}. */
  readonly deadline?: number
}

/**
 * The kit's ports over EventStoreDB 23.10 or newer. Connects on first use and reconnects by itself; on a cluster all
 * calls go to the leader. One per process: the client shares the table of waiting appends among all its instances,
 * so that a broken connection of one fails the appends of every other.
 *
 * @param url a connection string, `esdb://` or `esdb+discover://`
 *   (https://docs.kurrent.io/clients/grpc/getting-started.html#connection-string)
 * @throws {Error} the connection string is malformed.
 */
export function connectEventStore(url: string, { deadline = 5_000 }: EventStoreOptions = {}): EventStore {
  const connect = () => EventStoreDBClient.connectionString(toLeader(url))
  const appender = new Appender(connect, deadline)
  // Appends drop their connection when an answer is overdue; subscriptions and reads must not go with it.
  const client = connect()
  const arrivals = new Arrivals()

  async function recordedAt(stream: string, number: EventNumber): Promise<Date> {
    let created: Date | undefined
    for await (const event of readStream(client, deadline, stream, number - 1, 1)) created = event.created
    if (created === undefined) throw new StoreUnavailable(`event ${number} of ${stream} is gone again`, 'unknown')
    return created
  }

  return {
    async append(stream, events, precondition) {
      const expected = arrivals.expect(stream, (events.at(-1) ?? events[0]).id)
      try {
        const appended = await appender.append(stream, events, precondition)
        return {
          ...appended,
          recordedAt: async () => (await expected.arrival())?.created ?? recordedAt(stream, appended.lastNumber),
        }
      } catch (error) {
        expected.settle(undefined)
        throw error
      }
    },
    read: (...parameters) => readStream(client, deadline, ...parameters),
    readBackwards: (...parameters) => readStreamBackwards(client, deadline, ...parameters),
    subscribe: (options) => subscribeToLog(client, arrivals, options),
    lastPosition: () => lastPosition(client, deadline),
    async close() {
      await Promise.all([appender.close(), client.dispose()])
    },
  }
}

/** Unless the connection string wants another node: the client's own choice is any, which would only send it on. */
function toLeader(url: string): string {
  if (/[?&]nodePreference=/i.test(url)) return url
  return `${url}${url.includes('?') ? '&' : '?'}nodePreference=leader`
}
