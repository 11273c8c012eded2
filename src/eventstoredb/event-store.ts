import type { ConsumerGroups } from '../cqrs/consumer-group.ts'
import type { EventNumber } from '../cqrs/event.ts'
import { type EventLog, type EventSink, type EventSource, StoreUnavailable } from '../cqrs/event-store.ts'
import { Appender } from './append.ts'
import { Arrivals } from './arrivals.ts'
import { connector, disconnect } from './connection.ts'
import { consumerGroups } from './consumer-groups.ts'
import { Contact } from './contact.ts'
import { eventAt, lastPosition, readStream, readStreamBackwards } from './read.ts'
import { subscribeToLog } from './subscribe.ts'

export interface EventStore extends EventSink, EventSource, EventLog, ConsumerGroups {
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
export function connectEventStore(url: string, { deadline = 5_000 }: EventStoreOptions = {}): EventStore {
  const connect = connector(url)
  const appender = new Appender(connect, deadline)
  // Appends drop their connection when an answer is overdue; subscriptions and reads must not go with it.
  let client = connect()
  let connectedAt = performance.now()
  const arrivals = new Arrivals()
  const contact = new Contact()
  let isProbing = false

  async function probe(): Promise<void> {
    if (isProbing) return
    isProbing = true
    await contact.of(lastPosition(client, deadline), reconnect).catch(() => undefined)
    isProbing = false
  }

  /** A connection that hangs is found out by its keep-alive after 20 s, but never where it hangs from the beginning. */
  function reconnect(): void {
    // The call was made on the connection before this one.
    if (performance.now() - connectedAt < deadline) return
    void disconnect(client)
    client = connect()
    connectedAt = performance.now()
  }

  async function recordedAt(stream: string, number: EventNumber, end: number): Promise<Date> {
    const left = Math.max(LEAST_DEADLINE, end - performance.now())
    let created: Date | undefined
    const read = contact.ofAll(readStream(client, left, stream, number - 1, 1), reconnect)
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
    read: (...parameters) => contact.ofAll(readStream(client, deadline, ...parameters), reconnect),
    readBackwards: (...parameters) => contact.ofAll(readStreamBackwards(client, deadline, ...parameters), reconnect),
    subscribe: (options) => contact.ofAll(subscribeToLog(client, deadline, arrivals, options), reconnect),
    lastPosition: () => contact.of(lastPosition(client, deadline), reconnect),
    eventAt: (position) => contact.of(eventAt(client, deadline, position), reconnect),
    ...consumerGroups(() => client, deadline),
    isConnected() {
      if (!contact.isUp) void probe()
      return contact.isUp
    },
    async close() {
      await Promise.all([appender.close(), disconnect(client)])
    },
  }
}
