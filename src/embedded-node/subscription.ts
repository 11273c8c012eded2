import { randomUUID } from 'node:crypto'
import { Budget } from './budget.ts'
import type { LogEvent } from './log-event.ts'
import type { Outbox } from './outbox.ts'
import { caughtUp, confirmation } from './read-responses.ts'
import type { Turns } from './turns.ts'

/** What a subscription has not sent yet while it is live: more, and it goes back to the log. */
const QUEUE_ENTRIES = 2_000
const QUEUE_BYTES = 2 * 1024 * 1024
/** What all subscriptions together have not sent yet. */
const QUEUED = new Budget(128 * 1024 * 1024)
/** Milliseconds that an event may take while its writer waits. */
const SLOW_MS = 5

/** A stretch of what a subscription follows. */
export interface Stretch {
  /** Serialised events and checkpoints, in order. */
  readonly frames: readonly Buffer[]
  /** `end`: nothing more to read now. `absent`: nothing to read until there is something. */
  readonly state: 'more' | 'end' | 'absent'
  /** What the subscription ends with once the frames are sent. */
  readonly failure?: Error | undefined
}

/** What a subscription follows: a stream, or `$all` through a filter. It remembers how far it was taken. */
export interface Source {
  /** The next stretch of the log. Throws a Failure where a read is refused. */
  read(): Stretch
  /** What is to be sent for a committed event. */
  take(event: LogEvent): Omit<Stretch, 'state'>
  /** From now on `offer` is called for every event that may matter, until the returned function is called. */
  listen(offer: (event: LogEvent) => void): () => void
}

/**
 * A catch-up subscription: pages from the log until it meets its end, then, from the same turn of the event loop on,
 * events as they are committed. A client that takes them too slowly is served from the log again. So every event is
 * sent once and in order, and memory is bounded whatever the client does.
 */
export class Subscription {
  readonly #source: Source
  readonly #outbox: Outbox
  readonly #turns: Turns
  readonly #budget: Budget
  #confirmed = false
  #caughtUp = false
  #queue: Buffer[] = []
  #queuedBytes = 0
  #stopListening: (() => void) | undefined
  /** Its filter takes so long that writers must not wait for it: it reads the log, in its turn, for every event. */
  #isSlow = false
  #failure: Error | undefined
  #wake: (() => void) | undefined

  constructor(source: Source, outbox: Outbox, turns: Turns, budget = QUEUED) {
    this.#source = source
    this.#outbox = outbox
    this.#turns = turns
    this.#budget = budget
  }

  /** Resolves when the client has gone. Throws a Failure that the call is to end with. */
  async run(): Promise<void> {
    try {
      while (this.#outbox.isOpen) {
        const live = await this.#catchUp()
        if (live) await this.#follow()
      }
    } finally {
      this.#stopListening?.()
      this.#takeQueue()
    }
  }

  /** The outbox was closed: wakes whatever waits for events. */
  cancel(): void {
    this.#wake?.()
  }

  /** Sends one stretch of the log. True when it was the last one and the subscription is live from then on. */
  async #catchUp(): Promise<boolean> {
    const { frames, state, failure } = await this.#turns.take(() => this.#readOn())
    const live = state === 'end'
    const first = this.#confirmed ? [] : [confirmation(randomUUID())]
    const last = live && !this.#caughtUp ? [caughtUp()] : []
    this.#confirmed = true
    this.#caughtUp ||= live
    if (!(await this.#outbox.send([...first, ...frames, ...last]))) return false
    if (failure !== undefined) throw failure
    if (state === 'absent') await this.#pause()
    return live
  }

  /** Nothing may be committed between the end of the log and the moment from which on the source is listened to. */
  #readOn(): Stretch {
    const stretch = this.#source.read()
    if (!this.#outbox.isOpen) return stretch
    if (stretch.state === 'end') this.#listen((event) => this.#offer(event))
    if (stretch.state === 'absent') this.#listen(() => this.#wake?.())
    return stretch
  }

  /** Sends what is committed until the queue overflows; then the log has the rest. */
  async #follow(): Promise<void> {
    while (this.#outbox.isOpen) {
      if (this.#queue.length > 0) {
        if (!(await this.#outbox.send(this.#takeQueue()))) return
      } else if (this.#failure !== undefined) throw this.#failure
      else if (this.#stopListening === undefined) return
      else await this.#pause()
    }
  }

  #offer(event: LogEvent): void {
    const isFull = this.#queue.length >= QUEUE_ENTRIES || this.#queuedBytes >= QUEUE_BYTES || this.#budget.isExceeded
    if (isFull || this.#isSlow) this.#listen(undefined)
    else {
      const start = performance.now()
      this.#enqueue(event)
      this.#isSlow = performance.now() - start > SLOW_MS
    }
    this.#wake?.()
  }

  #enqueue(event: LogEvent): void {
    try {
      const { frames, failure } = this.#source.take(event)
      this.#failure ??= failure
      for (const frame of frames) {
        this.#queue.push(frame)
        this.#queuedBytes += frame.length
        this.#budget.add(frame.length)
      }
    } catch (error) {
      // The writer that offers the event must not suffer from what this subscription meets.
      this.#failure ??= error instanceof Error ? error : new Error(String(error))
    }
  }

  #takeQueue(): readonly Buffer[] {
    const frames = this.#queue
    this.#budget.add(-this.#queuedBytes)
    this.#queue = []
    this.#queuedBytes = 0
    return frames
  }

  /** Listens in another way than before, or not at all. */
  #listen(offer: ((event: LogEvent) => void) | undefined): void {
    this.#stopListening?.()
    this.#stopListening = offer === undefined ? undefined : this.#source.listen(offer)
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve
    })
  }
}
