import type { Position, RecordedEvent } from './event.ts'
import { Hopeless, type Reaction, ReactionUnwanted, Throttled } from './reaction.ts'
import { backOff, Permits, pause } from './reaction-pace.ts'
import type { ReactionClaim } from './reaction-store.ts'

/** Times are in milliseconds. */
export interface RetryPolicy {
  /** Before the second attempt. Doubled after each further failure; each wait is drawn from 50 to 100 % of that. */
  readonly firstWait: number
  readonly longestWait: number
  /** After so many failures, counted across restarts, an event is parked. */
  readonly maxAttempts: number
}

/** What happens to single events, for those who keep a log. */
export type ReactionNews =
  | { readonly kind: 'retrying'; readonly event: RecordedEvent; readonly failures: number; readonly error: Error }
  | { readonly kind: 'parked'; readonly event: RecordedEvent; readonly error: Error }

export interface LanesOptions {
  readonly reaction: Reaction
  readonly claim: ReactionClaim
  readonly retry: RetryPolicy
  /** Most events that were added and are neither done nor parked. */
  readonly maxInFlight: number
  /** Most attempts at the same time. */
  readonly maxConcurrent: number
  readonly signal: AbortSignal
  /** Nothing goes on: the claim threw, or the reaction is unwanted. */
  readonly onFailure: (error: unknown) => void
  readonly onNews: (news: ReactionNews) => void
  /** The checkpoint while nothing is in flight. */
  readonly received: () => Position
}

/** One lane per stream: events of a stream are reacted to one after the other, those of different streams at once. */
export class Lanes {
  readonly #options: LanesOptions
  readonly #lanes = new Map<string, (() => Promise<void>)[]>()
  readonly #workers = new Set<Promise<void>>()
  /** In log order. The value is the position of what was received just before the event. */
  readonly #unsettled = new Map<string, Position>()
  readonly #retrying = new Set<string>()
  readonly #room: Permits
  readonly #turns: Permits
  #writes: Promise<unknown> = Promise.resolve()
  #checkpoint: Position
  #parked: number
  /** By the monotonic clock. */
  #throttledUntil = 0

  constructor(options: LanesOptions, checkpoint: Position, parked: number) {
    this.#options = options
    this.#checkpoint = checkpoint
    this.#parked = parked
    this.#room = new Permits(options.maxInFlight, options.signal)
    this.#turns = new Permits(options.maxConcurrent, options.signal)
  }

  /** As stored. */
  get checkpoint(): Position {
    return this.#checkpoint
  }

  get inFlight(): number {
    return this.#unsettled.size
  }

  /** Number of events in flight of which an attempt has failed. */
  get retrying(): number {
    return this.#retrying.size
  }

  get parked(): number {
    return this.#parked
  }

  /** Resolves when there was room for the event. `before`: what was received before it, in log order. */
  async add(event: RecordedEvent, before: Position): Promise<void> {
    // Known where the log delivers again what it had delivered, after it was restored.
    if (this.#unsettled.has(event.id) || !(await this.#room.take())) return
    this.#unsettled.set(event.id, before)
    this.#queue(event.stream, () => this.#handle(event))
  }

  /** Tries each parked event once, stream by stream and in order, until the first of its stream that fails again. */
  async retryParked(): Promise<void> {
    for (const stream of await this.#options.claim.parkedStreams()) {
      if (!(await this.#room.take())) return
      this.#queue(stream, () => this.#retryStream(stream))
    }
  }

  /** Stores that everything received is settled, as far as it is. */
  moveCheckpoint(): Promise<void> {
    return this.#write(async (checkpoint) => {
      if (checkpoint !== this.#checkpoint) await this.#options.claim.moveTo(checkpoint)
    })
  }

  /** Resolves when nothing is under way any more, after the signal was aborted. */
  async ended(): Promise<void> {
    while (this.#workers.size > 0) await Promise.all(this.#workers)
    await this.#writes.catch(() => undefined)
  }

  #queue(stream: string, task: () => Promise<void>): void {
    const lane = this.#lanes.get(stream)
    if (lane) {
      lane.push(task)
      return
    }
    const tasks = [task]
    this.#lanes.set(stream, tasks)
    const worker = this.#work(stream, tasks)
      .catch(this.#options.onFailure)
      .finally(() => this.#workers.delete(worker))
    this.#workers.add(worker)
  }

  async #work(stream: string, tasks: (() => Promise<void>)[]): Promise<void> {
    for (let task = tasks[0]; task && !this.#options.signal.aborted; task = tasks[0]) {
      await task()
      this.#room.give()
      tasks.shift()
    }
    this.#lanes.delete(stream)
  }

  async #handle(event: RecordedEvent): Promise<void> {
    const { claim, signal, retry } = this.#options
    for (;;) {
      const { isSettled, failures, isBehindParked } = await claim.standing(event)
      if (isSettled) {
        this.#unsettled.delete(event.id)
        return
      }
      if (isBehindParked) return this.#park(event, new Hopeless('an earlier event of its stream is parked'))
      const error = await this.#attempt(event)
      if (!error) return this.#settle(event, (checkpoint) => claim.done(event, checkpoint))
      if (signal.aborted) return
      await claim.failed(event)
      if (error instanceof Hopeless || failures + 1 >= retry.maxAttempts) return this.#park(event, error)
      this.#retrying.add(event.id)
      this.#options.onNews({ kind: 'retrying', event, failures: failures + 1, error })
      await pause(this.#waitAfter(failures + 1, error), signal)
      if (signal.aborted) return
    }
  }

  async #retryStream(stream: string): Promise<void> {
    const { claim } = this.#options
    for (let event = await claim.firstParked(stream); event; event = await claim.firstParked(stream)) {
      const tried = event
      if (await this.#attempt(tried)) return
      await this.#write((checkpoint) => claim.done(tried, checkpoint))
      this.#parked--
    }
  }

  /**
   * Gives the reason of a failure.
   *
   * @throws {ReactionUnwanted}
   */
  async #attempt(event: RecordedEvent): Promise<Error | undefined> {
    const { reaction, signal } = this.#options
    if (!(await this.#turns.take())) return new Error('stopped')
    try {
      while (performance.now() < this.#throttledUntil && !signal.aborted) {
        await pause(this.#throttledUntil - performance.now(), signal)
      }
      signal.throwIfAborted()
      await reaction.react(event, signal)
      return undefined
    } catch (error) {
      if (error instanceof ReactionUnwanted) throw error
      return error instanceof Error ? error : new Error(String(error))
    } finally {
      this.#turns.give()
    }
  }

  #waitAfter(failures: number, error: Error): number {
    const { firstWait, longestWait } = this.#options.retry
    const wait = backOff(failures, firstWait, longestWait)
    if (!(error instanceof Throttled)) return wait
    const asked = Math.max(wait, Math.min(error.wait ?? 0, longestWait))
    this.#throttledUntil = Math.max(this.#throttledUntil, performance.now() + asked)
    return asked
  }

  async #park(event: RecordedEvent, error: Error): Promise<void> {
    await this.#settle(event, (checkpoint) => this.#options.claim.park(event, error.message, checkpoint))
    this.#parked++
    this.#options.onNews({ kind: 'parked', event, error })
  }

  #settle(event: RecordedEvent, store: (checkpoint: Position) => Promise<void>): Promise<void> {
    return this.#write((checkpoint) => {
      this.#retrying.delete(event.id)
      return store(checkpoint)
    }, event)
  }

  /** One write at a time, so that checkpoints are stored in the order in which they are found. */
  #write(store: (checkpoint: Position) => Promise<void>, settled?: RecordedEvent): Promise<void> {
    const write = this.#writes.then(async () => {
      if (settled) this.#unsettled.delete(settled.id)
      const [first = this.#options.received()] = this.#unsettled.values()
      await store(first)
      this.#checkpoint = first
    })
    this.#writes = write.catch(() => undefined)
    return write
  }
}
