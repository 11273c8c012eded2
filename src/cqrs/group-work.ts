import type { Delivery } from './consumer-group.ts'
import type { RecordedEvent } from './event.ts'
import { Hopeless, type Reaction, ReactionUnwanted, Throttled } from './reaction.ts'
import type { ReactionNews, RetryPolicy } from './reaction-lanes.ts'
import { backOff, Permits, pause } from './reaction-pace.ts'

export interface GroupWorkOptions {
  readonly reaction: Reaction
  matches(event: RecordedEvent): boolean
  readonly retry: RetryPolicy
  /** Most attempts at the same time. */
  readonly maxConcurrent: number
  /** Nothing is begun after it. */
  readonly stop: AbortSignal
  /** Ends the attempts that are under way. */
  readonly abort: AbortSignal
  readonly onUnwanted: (error: ReactionUnwanted) => void
  readonly onNews: (news: ReactionNews) => void
}

/** What a consumer does with its deliveries: those of a stream one after the other, those of different streams at once. */
export class GroupWork {
  readonly #options: GroupWorkOptions
  readonly #turns: Permits
  readonly #underWay = new Set<Promise<void>>()
  /** The newest attempt of each stream. */
  readonly #streams = new Map<string, Promise<unknown>>()
  #retrying = 0
  /** By the monotonic clock. */
  #throttledUntil = 0

  constructor(options: GroupWorkOptions) {
    this.#options = options
    this.#turns = new Permits(options.maxConcurrent, options.stop)
  }

  /** Number of events that are not settled. */
  get inFlight(): number {
    return this.#underWay.size
  }

  /** How many of them wait to be tried again. */
  get retrying(): number {
    return this.#retrying
  }

  accept(delivery: Delivery): void {
    if (!this.#options.matches(delivery.event)) {
      delivery.done()
      return
    }
    const { stream } = delivery.event
    const attempt = (this.#streams.get(stream) ?? Promise.resolve()).then(() => this.#attempt(delivery))
    this.#streams.set(stream, attempt)
    const settled = attempt
      .then((error) => (error === undefined ? undefined : this.#failed(delivery, error)))
      .finally(() => {
        this.#underWay.delete(settled)
        if (this.#streams.get(stream) === attempt) this.#streams.delete(stream)
      })
    this.#underWay.add(settled)
  }

  /** Resolves when nothing is under way, after `stop` was aborted. What is not settled then is left to others. */
  async ended(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.all(this.#underWay)
  }

  /** Settles the delivery, or gives the reason of the failure; neither where it was stopped. */
  async #attempt(delivery: Delivery): Promise<Error | undefined> {
    const { reaction, stop, abort, onUnwanted } = this.#options
    if (!(await this.#turns.take())) return undefined
    try {
      while (performance.now() < this.#throttledUntil && !stop.aborted) {
        await pause(this.#throttledUntil - performance.now(), stop)
      }
      if (stop.aborted) return undefined
      await reaction.react(delivery.event, abort)
      delivery.done()
      return undefined
    } catch (error) {
      if (abort.aborted) return undefined
      if (!(error instanceof ReactionUnwanted)) return error instanceof Error ? error : new Error(String(error))
      onUnwanted(error)
      return undefined
    } finally {
      this.#turns.give()
    }
  }

  async #failed(delivery: Delivery, error: Error): Promise<void> {
    const { retry, stop, onNews } = this.#options
    const { event } = delivery
    const failures = delivery.retries + 1
    if (error instanceof Hopeless || failures >= retry.maxAttempts) {
      delivery.park(error.message)
      onNews({ kind: 'parked', event, error })
      return
    }
    onNews({ kind: 'retrying', event, failures, error })
    this.#retrying++
    await pause(this.#waitAfter(failures, error), stop)
    this.#retrying--
    if (!stop.aborted) delivery.retry(error.message)
  }

  #waitAfter(failures: number, error: Error): number {
    const { firstWait, longestWait } = this.#options.retry
    const wait = backOff(failures, firstWait, longestWait)
    if (!(error instanceof Throttled)) return wait
    const asked = Math.max(wait, Math.min(error.wait ?? 0, longestWait))
    this.#throttledUntil = Math.max(this.#throttledUntil, performance.now() + asked)
    return asked
  }
}
