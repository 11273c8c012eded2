import { setTimeout } from 'node:timers/promises'
import {
  type AllStreamResolvedEvent,
  BACKWARDS,
  END,
  type EventStoreDBClient,
  type ResolvedEvent,
  type StreamingRead,
  StreamNotFoundError,
} from '@eventstore/db-client'
import type { Position, RecordedEvent } from '../cqrs/event.ts'
import { type Before, type Since, StoreUnavailable } from '../cqrs/event-store.ts'
import { initialVersion } from '../cqrs/precondition.ts'
import { isDisconnected } from './connection.ts'
import { isNotLeader, isUnknown, unavailable } from './errors.ts'
import { toLogPosition, toRecordedEvent } from './recorded-event.ts'

/** How long the client gets to turn to the leader, in milliseconds. */
const REDIRECTION = 25

export function readStream(
  client: EventStoreDBClient,
  deadline: number,
  stream: string,
  since: Since = initialVersion,
  maxCount: number = Number.MAX_SAFE_INTEGER,
): AsyncIterable<RecordedEvent> {
  const options = { fromRevision: BigInt(since), maxCount, requiresLeader: true }
  return readWithin(client, deadline, () => client.readStream(stream, options))
}

export async function* readStreamBackwards(
  client: EventStoreDBClient,
  deadline: number,
  stream: string,
  before: Before = 'end',
  maxCount: number = Number.MAX_SAFE_INTEGER,
): AsyncIterable<RecordedEvent> {
  if (before !== 'end' && before <= 1) return
  const fromRevision = before === 'end' ? END : BigInt(before) - 2n
  const options = { direction: BACKWARDS, fromRevision, maxCount, requiresLeader: true } as const
  yield* readWithin(client, deadline, () => client.readStream(stream, options))
}

export async function lastPosition(client: EventStoreDBClient, deadline: number): Promise<Position | undefined> {
  const options = { direction: BACKWARDS, fromPosition: END, maxCount: 1, requiresLeader: true } as const
  let position: Position | undefined
  for await (const event of readWithin(client, deadline, () => client.readAll(options))) position = event.position
  return position
}

export async function eventAt(
  client: EventStoreDBClient,
  deadline: number,
  position: Position,
): Promise<RecordedEvent | undefined> {
  const options = { fromPosition: toLogPosition(position), maxCount: 1, requiresLeader: true }
  let found: RecordedEvent | undefined
  try {
    for await (const event of readWithin(client, deadline, () => client.readAll(options))) {
      if (event.position === position) found = event
    }
  } catch (error) {
    if (!isUnknown(error)) throw error
    // The store answers so where no record begins, and perhaps for other reasons: then this one fails as well.
    await lastPosition(client, deadline)
  }
  return found
}

export type Resolved = ResolvedEvent | AllStreamResolvedEvent

const readWithin = (client: EventStoreDBClient, deadline: number, start: () => StreamingRead<Resolved>) =>
  readAs(client, deadline, eventOf, start)

const eventOf = ({ event }: Resolved) => event && toRecordedEvent(event)

/**
 * What `convert` makes of the events that `start` reads. Begins anew, at most until the deadline, where a node sends it
 * on to the leader of its cluster. One generator and no timer for each event: what an event costs here is what loading
 * an entity costs.
 */
export async function* readAs<T extends object>(
  client: EventStoreDBClient,
  deadline: number,
  convert: (resolved: Resolved) => T | undefined,
  start: () => StreamingRead<Resolved>,
): AsyncIterable<T> {
  const end = performance.now() + deadline
  for (;;) {
    const read = start()
    // The client takes a deadline for reads and ignores it.
    let waitingSince: number | undefined = performance.now()
    const timer = setInterval(() => {
      if (waitingSince === undefined || performance.now() - waitingSince < deadline) return
      read.destroy(new StoreUnavailable(`nothing read within ${deadline} ms`, 'not-appended'))
    }, deadline / 4)
    // The call may fail when nobody reads any more: without a listener, that would end the process.
    read.on('error', () => undefined)
    // Destroyed by a reader that stops early, it would keep the call under it for ever.
    const items: AsyncIterable<Resolved> = read.iterator({ destroyOnReturn: false })
    try {
      for await (const resolved of items) {
        waitingSince = undefined
        const item = convert(resolved)
        if (item) yield item
        waitingSince = performance.now()
      }
      if (isDisconnected(client)) throw new StoreUnavailable('the connection was given up', 'not-appended')
      return
    } catch (error) {
      if (error instanceof StreamNotFoundError) return
      if (!isNotLeader(error) || performance.now() > end) throw unavailable(error)
    } finally {
      clearInterval(timer)
      // It goes on reading when its reader stops early.
      read.resume()
      read.cancel().catch(() => undefined)
    }
    await setTimeout(REDIRECTION)
  }
}
