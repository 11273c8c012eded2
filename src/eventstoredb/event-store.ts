import type { ConsumerGroups } from '../cqrs/consumer-group.ts'
import type { EventNumber } from '../cqrs/event.ts'
import { type EventLog, type EventSink, type EventSource, StoreUnavailable } from '../cqrs/event-store.ts'
import type { StoreExplorer } from '../cqrs/store-explorer.ts'
import { Appender } from './append.ts'
import { Arrivals } from './arrivals.ts'
import { connector } from './connection.ts'
import { consumerGroups } from './consumer-groups.ts'
import { Contact } from './contact.ts'
import { storeExplorer } from './explorer.ts'
import { eventAt, lastPosition, readStream, readStreamBackwards } from './read.ts'
import { ReadingConnection } from './reading-connection.ts'
import { subscribeToLog } from './subscribe.ts'

export interface EventStore extends EventSink, EventSource, EventLog, ConsumerGroups, StoreExplorer {
  /**
   * Whether the store answered what it was asked last: an append, a read, or a subscription. Costs nothing while it
   * did; else the store is asked again, so that a later call tells when it is back.
   */
  isConnected(): boolean

  /** Ends every call that is under way; their outcome is unknown. */
  close(): Promise<void>
}

export interface EventStoreOptions {
  /**
   * Milliseconds within which every append and read is answered and every subscription confirmed, or fails with
   * {@link StoreUnavailable}. When an append was recorded is told within the deadline of the append.
   */
  readonly deadline?: number
  /**
   * Told once when the store answers and is of no use as it is, such as for a wrong password (see {@link refusalOf}),
   * and again when that was over for a minute. Calls go on failing with {@link StoreUnavailable}.
   */
  readonly onRefusal?: (error: Error) => void
}

/** Least time for a read that comes after an append, within what the append has left of its deadline or not. */
const LEAST_DEADLINE = 250

/**
 * The kit's ports over EventStoreDB 23.10 or newer. Connects on first use and reconnects by itself; on a cluster all
 * calls go to the leader. One per process: the client shares the table of waiting appends among all its instances,
 * so that a broken connection of one fails the appends of every other.
 *
 * @param url a connection string, `esdb://` or `esdb+discover://`
 *   (https://docs.kurrent.io/clients/grpc/getting-started.html#connection-string)
 * @throws {Error} the connection string is malformed.
 */
export function connectEventStore(url: string, { deadline = 5_000, onRefusal }: EventStoreOptions = {}): EventStore {
  const connect = connector(url)
  const appender = new Appender(connect, deadline)
  // Appends drop their connection when an answer is overdue; subscriptions and reads must not go with it.
  const reading = new ReadingConnection(connect, deadline / 2)
  const arrivals = new Arrivals()
  const contact = new Contact(onRefusal)
  let isProbing = false

  async function probe(): Promise<void> {
    if (isProbing) return
    isProbing = true
    await contact.of(lastPosition(reading.client, deadline), reading).catch(() => undefined)
    isProbing = false
  }

  async function recordedAt(stream: string, number: EventNumber, end: number): Promise<Date> {
    const left = Math.max(LEAST_DEADLINE, end - performance.now())
    let created: Date | undefined
    const read = contact.ofAll(readStream(reading.client, left, stream, number - 1, 1), reading)
    for await (const event of read) created = event.created
    if (created === undefined) throw new StoreUnavailable(`event ${number} of ${stream} is gone again`, 'unknown')
    return created
  }

  return {
    async append(stream, events, precondition) {
      const end = performance.now() + deadline
      const expected = arrivals.expect(stream, (events.at(-1) ?? events[0]).id)
      try {
        const appended = await contact.of(appender.append(stream, events, precondition))
        return {
          ...appended,
          recordedAt: async () => (await expected.arrival())?.created ?? recordedAt(stream, appended.lastNumber, end),
        }
      } catch (error) {
        expected.settle(undefined)
        throw error
      }
    },
    read: (...parameters) => contact.ofAll(readStream(reading.client, deadline, ...parameters), reading),
    readBackwards: (...parameters) =>
      contact.ofAll(readStreamBackwards(reading.client, deadline, ...parameters), reading),
    subscribe: (options) => contact.ofAll(subscribeToLog(reading.client, deadline, arrivals, options), reading),
    lastPosition: () => contact.of(lastPosition(reading.client, deadline), reading),
    eventAt: (position) => contact.of(eventAt(reading.client, deadline, position), reading),
    ...consumerGroups(() => reading.client, deadline),
    ...storeExplorer(() => reading.client, deadline),
    isConnected() {
      if (!contact.isUp) void probe()
      return contact.isUp
    },
    async close() {
      await Promise.all([appender.close(), reading.close()])
    },
  }
}
