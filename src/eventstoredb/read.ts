import { BACKWARDS, END, type EventStoreDBClient, StreamNotFoundError, type StreamingRead } from '@eventstore/db-client'
import type { Position, RecordedEvent } from '../cqrs/event.ts'
import { StoreUnavailable } from '../cqrs/event-store.ts'
import { unavailable } from './errors.ts'
import { toPosition, toRecordedEvent } from './recorded-event.ts'

export async function* readStream(
  client: EventStoreDBClient,
  deadline: number,
  stream: string,
  since: number,
  maxCount: number = Number.MAX_SAFE_INTEGER,
): AsyncIterable<RecordedEvent> {
  const options = { fromRevision: BigInt(since), maxCount, requiresLeader: true }
  for await (const { event } of readWithin(deadline, client.readStream(stream, options))) {
    if (event) yield toRecordedEvent(event)
  }
}

export async function lastPosition(client: EventStoreDBClient, deadline: number): Promise<Position | undefined> {
  const options = { direction: BACKWARDS, fromPosition: END, maxCount: 1, requiresLeader: true } as const
  let position: Position | undefined
  for await (const { event } of readWithin(deadline, client.readAll(options))) {
    if (event) position = toPosition(event.position)
  }
  return position
}

/** The client takes a deadline for reads and ignores it; and it goes on reading when its reader stops early. */
async function* readWithin<T>(deadline: number, read: StreamingRead<T>): AsyncIterable<T> {
  const overdue = () => {
    read.destroy(new StoreUnavailable(`nothing read within ${deadline} ms`, 'not-appended'))
  }
  let timer = setTimeout(overdue, deadline)
  // The call may fail when nobody reads any more: without a listener, that would end the process.
  read.on('error', () => undefined)
  // Destroyed by a reader that stops early, it would keep the call under it for ever.
  const items: AsyncIterable<T> = read.iterator({ destroyOnReturn: false })
  try {
    for await (const item of items) {
      clearTimeout(timer)
      yield item
      timer = setTimeout(overdue, deadline)
    }
  } catch (error) {
    if (!(error instanceof StreamNotFoundError)) throw unavailable(error)
  } finally {
    clearTimeout(timer)
    read.resume()
    read.cancel().catch(() => undefined)
  }
}
