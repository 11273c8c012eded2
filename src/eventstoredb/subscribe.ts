import { setImmediate } from 'node:timers/promises'
import {
  type AllStreamResolvedEvent,
  type AllStreamSubscription,
  type EventStoreDBClient,
  START,
  streamNameFilter,
} from '@eventstore/db-client'
import type { Position, RecordedEvent } from '../cqrs/event.ts'
import { type LogBatch, StoreUnavailable, type SubscribeOptions } from '../cqrs/event-store.ts'
import type { Arrivals } from './arrivals.ts'
import { unavailable } from './errors.ts'
import { toLogPosition, toRecordedEvent } from './recorded-event.ts'
import { checkVersion } from './refusal.ts'

/** How long a batch may wait for more events while the subscription catches up, in milliseconds. */
const LINGER = 10

/** Events that the store looks through before it reports how far it has come, matching or not. */
const SEARCH_WINDOW = 1_000

export async function* subscribeToLog(
  client: EventStoreDBClient,
  deadline: number,
  arrivals: Arrivals,
  { after, streamPrefixes, signal, maxBatch }: SubscribeOptions,
): AsyncIterable<LogBatch> {
  if (signal.aborted) return
  const inbox = new Inbox(after ?? 0, maxBatch)
  let endLive = () => {}
  const subscription: AllStreamSubscription = client.subscribeToAll({
    fromPosition: after === undefined ? START : toLogPosition(after),
    requiresLeader: true,
    filter: streamNameFilter({
      prefixes: [...streamPrefixes],
      maxSearchWindow: SEARCH_WINDOW,
      checkpointInterval: 1,
      // The client calls this ahead of events that it still holds: the marker takes its place in line behind them.
      checkpointReached: async (_, { commit }) => {
        // EventStoreDB 24.10.4 may report the end of the log as 2^64 - 1.
        if (commit < 2n ** 63n) subscription.push(new Checkpoint(Number(commit)))
      },
    }),
  })
  const stop = () => inbox.end()
  signal.addEventListener('abort', stop, { once: true })
  // The client waits for ever for a store that takes the connection and never answers.
  const late = new StoreUnavailable(`no subscription within ${deadline} ms`, 'not-appended')
  const confirmation = setTimeout(() => inbox.fail(late), deadline)
  subscription
    .once('confirmation', () => {
      clearTimeout(confirmation)
      checkVersion(client).catch((error: unknown) => inbox.fail(unavailable(error)))
    })
    .once('caughtUp', () => {
      endLive = arrivals.live(streamPrefixes)
    })
    .on('caughtUp', () => subscription.push(CAUGHT_UP))
    .on('data', (item: InLine) => {
      const event = inbox.put(item)
      if (event) arrivals.delivered(event)
      if (inbox.isFull) subscription.pause()
    })
    .on('error', (error) => inbox.fail(unavailable(error)))
    .on('end', () => inbox.fail(new StoreUnavailable('the subscription ended', 'not-appended')))
  try {
    for (;;) {
      const batch = await inbox.take()
      if (!batch) return
      subscription.resume()
      yield batch
    }
  } finally {
    endLive()
    clearTimeout(confirmation)
    signal.removeEventListener('abort', stop)
    subscription.unsubscribe().catch(() => undefined)
  }
}

class Checkpoint {
  readonly position: Position

  constructor(position: Position) {
    this.position = position
  }
}

const CAUGHT_UP = Symbol('caught up')

type InLine = AllStreamResolvedEvent | Checkpoint | typeof CAUGHT_UP

/** What the subscription has delivered and its consumer has not taken yet: one batch at most. */
class Inbox {
  #events: RecordedEvent[] = []
  #position: Position
  #caughtUp = false
  /** Whether there is something that the consumer does not know. */
  #hasNews = false
  #ended = false
  #failure: Error | undefined
  #wake: () => void = () => undefined
  readonly #maxBatch: number

  constructor(position: Position, maxBatch: number) {
    this.#position = position
    this.#maxBatch = maxBatch
  }

  /** The event, where the item is one. */
  put(item: InLine): RecordedEvent | undefined {
    let event: RecordedEvent | undefined
    if (item === CAUGHT_UP) {
      this.#hasNews ||= !this.#caughtUp
      this.#caughtUp = true
    } else if (item instanceof Checkpoint) {
      this.#hasNews ||= item.position > this.#position
      this.#position = Math.max(this.#position, item.position)
    } else if (item.event) {
      event = toRecordedEvent(item.event)
      this.#events.push(event)
      this.#position = event.position
      this.#hasNews = true
    }
    this.#wake()
    return event
  }

  end(): void {
    this.#ended = true
    this.#wake()
  }

  /** What came before the failure is still delivered. */
  fail(error: Error): void {
    this.#failure ??= error
    this.#wake()
  }

  /** Undefined at the end. */
  async take(): Promise<LogBatch | undefined> {
    await this.#until(() => this.#hasNews)
    // Live events that arrive in the same turn make one batch; a replay waits for more of them.
    if (this.#caughtUp) await setImmediate()
    else await this.#until(() => this.isFull || this.#caughtUp, LINGER)
    if (this.#ended) return undefined
    if (this.#failure && !this.#hasNews) throw this.#failure
    const batch = { events: this.#events, position: this.#position, caughtUp: this.#caughtUp }
    this.#events = []
    this.#hasNews = false
    return batch
  }

  get isFull(): boolean {
    return this.#events.length >= this.#maxBatch
  }

  /** Waits for the condition, the end or a failure, at most so many milliseconds. */
  async #until(condition: () => boolean, timeout?: number): Promise<void> {
    const isOver = () => condition() || this.#ended || this.#failure !== undefined
    if (isOver()) return
    await new Promise<void>((resolve) => {
      const timer = timeout === undefined ? undefined : setTimeout(resolve, timeout)
      this.#wake = () => {
        if (!isOver()) return
        clearTimeout(timer)
        resolve()
      }
    })
    this.#wake = () => undefined
  }
}
