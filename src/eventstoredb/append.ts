import {
  ANY,
  type AppendExpectedRevision,
  type EventData,
  type EventStoreDBClient,
  NO_STREAM,
  STREAM_EXISTS,
} from '@eventstore/db-client'
import pRetry from 'p-retry'
import { within } from '../cqrs/deadline.ts'
import type { RawEvent } from '../cqrs/event.ts'
import { type Appended, StoreUnavailable } from '../cqrs/event-store.ts'
import { initialVersion, type Precondition } from '../cqrs/precondition.ts'
import { disconnect } from './connection.ts'
import { appendFailure, inDoubt, isAnswer, isNotLeader } from './errors.ts'
import { toPosition } from './recorded-event.ts'

type Answer = Omit<Appended, 'recordedAt'>

/** Least time for an attempt after the first, in milliseconds. */
const LEAST_TIMEOUT = 100

/**
 * Appends over the client's one shared stream, with what it lacks: a deadline, and repetition where that is safe. An
 * attempt without an answer is repeated on a new connection with the same event ids, which the store recognises.
 */
export class Appender {
  readonly #connect: () => EventStoreDBClient
  readonly #deadline: number
  #connection: Promise<EventStoreDBClient>
  /** When it gave an answer last, to whichever append. */
  #heardAt = 0

  constructor(connect: () => EventStoreDBClient, deadline: number) {
    this.#connect = connect
    this.#deadline = deadline
    this.#connection = Promise.resolve(connect())
  }

  async append(stream: string, events: readonly RawEvent[], precondition: Precondition | undefined): Promise<Answer> {
    const end = performance.now() + this.#deadline
    const hasTime = () => end - performance.now() >= LEAST_TIMEOUT
    let failed: StoreUnavailable | undefined
    const once = async () => {
      // What is certain would be put in doubt by an attempt that has no time to end.
      if (failed && !hasTime()) throw failed
      const connection = this.#connection
      const started = performance.now()
      const timeout = Math.max(1, Math.min(this.#deadline / 2, end - started))
      try {
        const appended = await within(timeout, appendOnce(connection, stream, events, precondition))
        this.#heardAt = performance.now()
        return appended
      } catch (error) {
        if (isAnswer(error)) this.#heardAt = performance.now()
        const failure = appendFailure(error, stream, precondition)
        if (!(failure instanceof StoreUnavailable)) throw failure
        // Where others are answered, the connection is slow: to give it up would put all of them in doubt.
        const isAlive = isAnswer(error) || (error instanceof StoreUnavailable && this.#heardAt >= started)
        // The client goes to the leader by itself, and a new one would have to look for it.
        if (failure.outcome === 'unknown' && !isAlive && !isNotLeader(error)) this.#reconnect(connection)
        // What an earlier attempt may have appended, a later one that was not even sent does not take back.
        failed = failed?.outcome === 'unknown' ? inDoubt(failure) : failure
        throw failed
      }
    }
    const mayRepeat = (error: unknown) =>
      hasTime() && error instanceof StoreUnavailable && isSafeToRepeat(error, precondition)
    try {
      // Not through p-retry, whose bookkeeping takes a tenth of what an append takes.
      return await once()
    } catch (error) {
      if (!mayRepeat(error)) throw error
      return pRetry(once, {
        retries: Number.POSITIVE_INFINITY,
        minTimeout: 25,
        maxTimeout: 500,
        randomize: true,
        shouldRetry: ({ error }) => mayRepeat(error),
      })
    }
  }

  async close(): Promise<void> {
    await disconnect(await this.#connection)
  }

  /**
   * The client never gives up a connection without an answer. The old one must be gone before the next append: as
   * long as it can fail, it fails the appends of every client in the process.
   */
  #reconnect(failed: Promise<EventStoreDBClient>): void {
    if (this.#connection !== failed) return
    this.#connection = failed.then(disconnect).then(this.#connect)
  }
}

async function appendOnce(
  connection: Promise<EventStoreDBClient>,
  stream: string,
  events: readonly RawEvent[],
  precondition: Precondition | undefined,
): Promise<Answer> {
  const client = await connection
  const { nextExpectedRevision, position } = await client.appendToStream(stream, events.map(toEventData), {
    expectedRevision: expectedRevision(precondition),
    requiresLeader: true,
  })
  // The store leaves the position out for a repeated append of events that stream metadata hides.
  return { lastNumber: Number(nextExpectedRevision) + 1, position: position ? toPosition(position) : 0 }
}

/** EventStoreDB finds repeated events surely only where the precondition names their place in the stream. */
function isSafeToRepeat(error: StoreUnavailable, precondition: Precondition | undefined): boolean {
  return error.outcome === 'not-appended' || (precondition !== undefined && precondition !== 'exists')
}

function expectedRevision(precondition: Precondition | undefined): AppendExpectedRevision {
  if (precondition === undefined) return ANY
  if (precondition === 'new') return NO_STREAM
  if (precondition === 'exists') return STREAM_EXISTS
  return precondition.version === initialVersion ? NO_STREAM : BigInt(precondition.version) - 1n
}

function toEventData({ id, type, data, metadata }: RawEvent): EventData {
  return { id, contentType: 'application/json', type, data, metadata }
}
