import {
  type AllStreamResolvedEvent,
  BACKWARDS,
  END,
  ErrorType,
  type EventStoreDBClient,
  FORWARDS,
  isCommandError,
  type PersistentSubscriptionToAllStats,
  type PersistentSubscriptionToStreamStats,
} from '@eventstore/db-client'
import type { RecordedEvent } from '../cqrs/event.ts'
import { StoreUnavailable } from '../cqrs/event-store.ts'
import {
  type ExploredEvent,
  type ExploredGroup,
  NotReadable,
  type StoreExplorer,
  type StreamPlace,
} from '../cqrs/store-explorer.ts'
import { unavailable } from './errors.ts'
import { type Resolved, readAs } from './read.ts'
import { toLogPosition, toPosition, toRecordedEvent } from './recorded-event.ts'

/** @param client gives the connection of the moment. */
export function storeExplorer(client: () => EventStoreDBClient, deadline: number): StoreExplorer {
  return {
    async streamPage(stream, from, maxCount) {
      const options = { ...rangeOf(from), maxCount, resolveLinkTos: true, requiresLeader: true }
      const page: ExploredEvent[] = []
      if (isBeforeTheFirst(from)) return page
      const current = client()
      const read = readAs(current, deadline, explored, () => current.readStream(stream, options))
      for await (const each of readable(stream, read)) page.push(each)
      return options.direction === FORWARDS ? page.reverse() : page
    },
    unfollowed(stream, maxCount) {
      const options = { direction: BACKWARDS, fromRevision: END, maxCount, requiresLeader: true } as const
      const current = client()
      return readable(
        stream,
        readAs(current, deadline, stored, () => current.readStream(stream, options)),
      )
    },
    logBackwards(before, maxCount) {
      // Backwards, the store reads what lies before a position.
      const fromPosition = before === undefined ? END : toLogPosition(before)
      const options = { direction: BACKWARDS, fromPosition, maxCount, requiresLeader: true } as const
      const current = client()
      return readable(
        '$all',
        readAs(current, deadline, stored, () => current.readAll(options)),
      )
    },
    followLog: (signal, onLive) => followLog(client(), deadline, signal, onLive),
    async groups() {
      try {
        const groups = await client().listAllPersistentSubscriptions({ deadline, requiresLeader: true })
        return groups
          .map(({ groupName, eventSource, status, connections, stats }) => ({
            ...{ name: groupName, source: eventSource, status, consumers: connections.length },
            inFlight: stats.totalInFlightMessages,
            parked: Number(stats.parkedMessageCount),
            parkedStream: `$persistentsubscription-${eventSource}::${groupName}-parked`,
            ...progressOf(stats),
          }))
          .sort((left, right) => compare(left.source, right.source) || compare(left.name, right.name))
      } catch (error) {
        // What the store answers where there is none.
        if (typeOf(error) === ErrorType.PERSISTENT_SUBSCRIPTION_DOES_NOT_EXIST) return []
        throw whatItMeans('the list of persistent subscriptions', unavailable(error))
      }
    },
  }
}

const compare = (left: string, right: string) => (left < right ? -1 : left > right ? 1 : 0)

function rangeOf(from: StreamPlace) {
  if (from === 'newest') return { direction: BACKWARDS, fromRevision: END } as const
  if ('before' in from) return { direction: BACKWARDS, fromRevision: BigInt(from.before) - 2n } as const
  return { direction: FORWARDS, fromRevision: BigInt(from.after) } as const
}

const isBeforeTheFirst = (from: StreamPlace) => from !== 'newest' && 'before' in from && from.before <= 1

const stored = ({ event, link }: Resolved): RecordedEvent | undefined => {
  const found = link ?? event
  return found && toRecordedEvent(found)
}

const explored = ({ event, link }: Resolved): ExploredEvent => ({
  event: event && toRecordedEvent(event),
  link: link && toRecordedEvent(link),
})

type Stats = PersistentSubscriptionToAllStats | PersistentSubscriptionToStreamStats

function progressOf(stats: Stats): Pick<ExploredGroup, 'checkpoint' | 'lastKnown'> {
  if ('lastCheckpointedEventRevision' in stats || 'lastKnownEventRevision' in stats) {
    const { lastCheckpointedEventRevision: checkpoint, lastKnownEventRevision: lastKnown } = stats
    return { checkpoint: numberOf(checkpoint), lastKnown: numberOf(lastKnown) }
  }
  if ('lastCheckpointedEventPosition' in stats || 'lastKnownEventPosition' in stats) {
    const { lastCheckpointedEventPosition: checkpoint, lastKnownEventPosition: lastKnown } = stats
    return { checkpoint: checkpoint && toPosition(checkpoint), lastKnown: lastKnown && toPosition(lastKnown) }
  }
  return { checkpoint: undefined, lastKnown: undefined }
}

const numberOf = (revision: bigint | undefined) => (revision === undefined ? undefined : Number(revision) + 1)

async function* readable<T>(what: string, read: AsyncIterable<T>): AsyncIterable<T> {
  try {
    yield* read
  } catch (error) {
    throw whatItMeans(what, error)
  }
}

function whatItMeans(what: string, error: unknown): unknown {
  const type = typeOf(error instanceof StoreUnavailable ? error.cause : error)
  if (type === ErrorType.STREAM_DELETED) return new NotReadable(what, 'deleted', { cause: error })
  if (type === ErrorType.ACCESS_DENIED) return new NotReadable(what, 'access-denied', { cause: error })
  return error
}

const typeOf = (error: unknown): ErrorType | undefined =>
  error instanceof Error && isCommandError(error) ? error.type : undefined

async function* followLog(
  client: EventStoreDBClient,
  deadline: number,
  signal: AbortSignal,
  onLive: () => void,
): AsyncIterable<RecordedEvent> {
  if (signal.aborted) return
  const subscription = client.subscribeToAll({ fromPosition: END, requiresLeader: true })
  // The client waits for ever for a store that takes the connection and never answers.
  const late = new StoreUnavailable(`no subscription within ${deadline} ms`, 'not-appended')
  const confirmation = setTimeout(() => subscription.destroy(late), deadline)
  const stop = () => subscription.destroy()
  signal.addEventListener('abort', stop, { once: true })
  subscription
    .once('confirmation', () => clearTimeout(confirmation))
    .once('confirmation', onLive)
    .on('error', () => undefined)
  const items: AsyncIterable<AllStreamResolvedEvent> = subscription
  try {
    for await (const { event } of items) if (event) yield toRecordedEvent(event)
    if (!signal.aborted) throw new StoreUnavailable('the subscription ended', 'not-appended')
  } catch (error) {
    if (!signal.aborted) throw unavailable(error)
  } finally {
    clearTimeout(confirmation)
    signal.removeEventListener('abort', stop)
    subscription.unsubscribe().catch(() => undefined)
  }
}
