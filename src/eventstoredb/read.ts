import { setTimeout as startTimer } from 'node:timers'
import { setTimeout } from 'node:timers/promises'
import { BACKWARDS, END, type EventStoreDBClient, StreamNotFoundError, type StreamingRead } from '@eventstore/db-client'
import type { Position, RecordedEvent } from '../cqrs/event.ts'
import { type Before, type Since, StoreUnavailable } from '../cqrs/event-store.ts'
import { initialVersion } from '../cqrs/precondition.ts'
import { isNotLeader, isUnknown, unavailable } from './errors.ts'
import { toLogPosition, toPosition, toRecordedEvent } from './recorded-event.ts'

/** How long the client gets to turn to the leader, in milliseconds. */
const REDIRECTION = 25

export async function* readStream(
  client: EventStoreDBClient,
  deadline: number,
  stream: string,
  since: Since = initialVersion,
  maxCount: number = Number.MAX_SAFE_INTEGER,
): AsyncIterable<RecordedEvent> {
  const options = { fromRevision: BigInt(since), maxCount, requiresLeader: true }
  for await (const { event } of readWithin(deadline, () => client.readStream(stream, options))) {
    if (event) yield toRecordedEvent(event)
  }
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
  for await (const { event } of readWithin(deadline, () => client.readStream(stream, options))) {
    if (event) yield toRecordedEvent(event)
  }
}

export async function lastPosition(client: EventStoreDBClient, deadline: number): Promise<Position | undefined> {
  const options = { direction: BACKWARDS, fromPosition: END, maxCount: 1, requiresLeader: true } as const
  let position: Position | undefined
  for await (const { event } of readWithin(deadline, () => client.readAll(options))) {
    if (event) position = toPosition(event.position)
  }
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
    for await (const { event } of readWithin(deadline, () => client.readAll(options))) {
      if (event && toPosition(event.position) === position) found = toRecordedEvent(event)
    }
  } catch (error) {
    if (!isUnknown(error)) throw error
    // The store answers so where no record begins, and perhaps for other reasons: then this one fails as well.
    await lastPosition(client, deadline)
  }
  return found
}

/** Begins anew, at most until the deadline, where a node sends it on to the leader of its cluster. */
async function* readWithin<T>(deadline: number, start: () => StreamingRead<T>): AsyncIterable<T> {
  const end = performance.now() + deadline
  for (;;) {
    try {
      yield* readOnce(deadline, start())
      return
    } catch (error) {
      if (!isNotLeader(error) || performance.now() > end) throw unavailable(error)
      await setTimeout(REDIRECTION)
    }
  }
}

/** The client takes a deadline for reads and ignores it; and it goes on reading when its reader stops early. */
async function* readOnce<T>(deadline: number, read: StreamingRead<T>): AsyncIterable<T> {
  const overdue = () => {
    read.destroy(new StoreUnavailable(`nothing read within ${deadline} ms`, 'not-appended'))
  }
  let timer = startTimer(overdue, deadline)
  // The call may fail when nobody reads any more: without a listener, that would end the process.
  read.on('error', () => undefined)
  // Destroyed by a reader that stops early, it would keep the call under it for ever.
  const items: AsyncIterable<T> = read.iterator({ destroyOnReturn: false })
  try {
    for await (const item of items) {
      clearTimeout(timer)
      yield item
      timer = startTimer(overdue, deadline)
    }
  } catch (error) {
    if (!(error instanceof StreamNotFoundError)) throw error
  } finally {
    clearTimeout(timer)
    read.resume()
    read.cancel().catch(() => undefined)
  }
}
