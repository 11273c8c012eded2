import type { Position } from './event.ts'
import { type EventLog, StoreUnavailable } from './event-store.ts'
import { filterOf, type Reaction, ReactionUnwanted } from './reaction.ts'
import { Lanes, type ReactionNews, type RetryPolicy } from './reaction-lanes.ts'
import { backOff, pause } from './reaction-pace.ts'
import { type ReactionClaim, ReactionFenced, type ReactionStore } from './reaction-store.ts'

/** First after a second, then less and less often, down to every 15 minutes; given up after one and a half to three days. */
export const RETRY_FOR_DAYS: RetryPolicy = { firstWait: 1_000, longestWait: 900_000, maxAttempts: 300 }

const MAX_BATCH = 100
const MAX_IN_FLIGHT = 1_000
const MAX_CONCURRENT = 16

/** Bounds of the wait before the log is subscribed to again, in milliseconds. */
const FIRST_WAIT = 50
const LONGEST_WAIT = 5_000

export interface ReactorStatus {
  readonly name: string
  /**
   * `catching up`: reacting to what was in the log before it came; `live`: reacting to events as they happen;
   * `reconnecting`: trying again, for ever, after `error`; `failed`: stopped by `error` for good.
   */
  readonly state: 'stopped' | 'starting' | 'catching up' | 'live' | 'reconnecting' | 'failed'
  /** The checkpoint: every event at or before it is done or parked; 0 where nothing is known yet. */
  readonly position: Position
  /** Events received that are neither done nor parked. Undefined while not live: how many there are to come is not known. */
  readonly lag: number | undefined
  /** How many of them have failed at least once. */
  readonly retrying: number
  readonly parked: number
  readonly error?: Error
}

export interface ReactorOptions {
  readonly log: EventLog
  readonly store: ReactionStore
  readonly reaction: Reaction
  readonly retry?: RetryPolicy
  /** Most events that are received and neither done nor parked; one that waits to be tried again counts. */
  readonly maxInFlight?: number
  readonly onNews?: (news: ReactorNews) => void
}

/** For those who keep a log. */
export type ReactorNews = ReactionNews | { readonly kind: 'state'; readonly status: ReactorStatus }

/**
 * Runs a reaction on a catch-up subscription from its stored position on.
 *
 * - A reaction that never ran starts at the end of the log: it reacts to what happens, not to what had happened.
 * - At least once: the stored position never passes an event that is neither done nor parked.
 * - In order within a stream. Events of other streams go on while one waits to be tried again, up to 1,000 in flight.
 * - An event that fails too often is parked, and so are the later events of its stream, which keeps their order.
 *   Parked events are tried once more at each start.
 * - One owner: who starts last has the reaction, and the one before fails with {@link ReactionFenced}, at the latest
 *   before its next attempt. An attempt that is under way then may be made by both.
 */
export class Reactor {
  readonly #options: ReactorOptions
  readonly #stop = new AbortController()
  #running: Promise<void> | undefined
  #claim: ReactionClaim | undefined
  #lanes: Lanes | undefined
  #received: Position = 0
  #state: ReactorStatus['state'] = 'stopped'
  #error: Error | undefined
  #failures = 0
  #hasTried: () => void = () => undefined

  constructor(options: ReactorOptions) {
    this.#options = options
  }

  /**
   * To be called once. Resolves when the stored position is known, so that no event from then on is missed; or when
   * it could not be found out at the first try, because the store is away.
   */
  start(): Promise<void> {
    const tried = new Promise<void>((resolve) => {
      this.#hasTried = resolve
    })
    this.#enter('starting')
    this.#running = this.#run(this.#stop.signal)
    return tried
  }

  /** Aborts the attempts that are under way; resolves when they are over and what succeeded is recorded. */
  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#running
    if (this.#state !== 'failed') this.#enter('stopped')
  }

  status(): ReactorStatus {
    return {
      name: this.#options.reaction.name,
      state: this.#state,
      position: this.#lanes?.checkpoint ?? this.#received,
      lag: this.#state === 'live' ? (this.#lanes?.inFlight ?? 0) : undefined,
      retrying: this.#lanes?.retrying ?? 0,
      parked: this.#lanes?.parked ?? this.#claim?.parked ?? 0,
      ...(this.#error && { error: this.#error }),
    }
  }

  /** Begins again after every error that may be over the next time. */
  async #run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        // Once only: claiming again would take the reaction back from one who has taken it over.
        this.#claim ??= await this.#options.store.claim(this.#options.reaction.name)
        if (!this.#lanes) await this.#findStart(this.#claim)
        this.#hasTried()
        await this.#react(this.#claim, signal)
      } catch (error) {
        if (signal.aborted) break
        const isFinal = error instanceof ReactionFenced || error instanceof ReactionUnwanted
        this.#failures++
        this.#enter(isFinal ? 'failed' : 'reconnecting', error instanceof Error ? error : new Error(String(error)))
        this.#hasTried()
        if (isFinal) return
        await pause(backOff(this.#failures, FIRST_WAIT, LONGEST_WAIT), signal)
      }
    }
    this.#hasTried()
  }

  async #findStart(claim: ReactionClaim): Promise<void> {
    if (claim.checkpoint !== undefined) {
      this.#received = claim.checkpoint
      return
    }
    const end = (await this.#options.log.lastPosition()) ?? 0
    await claim.moveTo(end)
    this.#received = end
  }

  /** From the checkpoint on. Throws what the claim throws: then what is in flight is given up, and begun anew. */
  async #react(claim: ReactionClaim, stop: AbortSignal): Promise<void> {
    const { reaction, retry = RETRY_FOR_DAYS, maxInFlight = MAX_IN_FLIGHT, onNews } = this.#options
    const failed = new AbortController()
    const fail = (error: unknown) => failed.abort(error)
    const signal = AbortSignal.any([stop, failed.signal])
    this.#received = this.#lanes?.checkpoint ?? this.#received
    const lanes = new Lanes(
      {
        ...{ reaction, claim, retry, maxInFlight, maxConcurrent: MAX_CONCURRENT, signal },
        ...{ onFailure: fail, onNews: (news) => onNews?.(news), received: () => this.#received },
      },
      this.#received,
      this.#lanes?.parked ?? claim.parked,
    )
    this.#lanes = lanes
    const retrying = lanes.retryParked().catch(fail)
    try {
      await this.#subscribe(lanes, signal)
    } finally {
      // Its reason stays the first one.
      failed.abort(new Error('given up'))
      await retrying
      await lanes.ended()
    }
    if (!stop.aborted) failed.signal.throwIfAborted()
  }

  /** Subscribes for as long as the signal is not aborted. What is in flight outlives a subscription that is lost. */
  async #subscribe(lanes: Lanes, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.#follow(lanes, signal)
      } catch (error) {
        if (!(error instanceof StoreUnavailable)) throw error
        this.#failures++
        this.#enter('reconnecting', error)
        await pause(backOff(this.#failures, FIRST_WAIT, LONGEST_WAIT), signal)
      }
    }
  }

  async #follow(lanes: Lanes, signal: AbortSignal): Promise<void> {
    const { log, reaction } = this.#options
    const { streamPrefixes, matches } = filterOf(reaction.predicate)
    // The log ends earlier where it was restored from a backup.
    this.#received = Math.min(this.#received, (await log.lastPosition()) ?? 0)
    const after = this.#received === 0 ? undefined : this.#received
    for await (const batch of log.subscribe({ after, streamPrefixes, signal, maxBatch: MAX_BATCH })) {
      for (const event of batch.events) {
        if (matches(event)) await lanes.add(event, this.#received)
        if (signal.aborted) return
        this.#received = event.position
      }
      this.#received = Math.max(this.#received, batch.position)
      await lanes.moveCheckpoint()
      this.#failures = 0
      this.#enter(batch.caughtUp ? 'live' : 'catching up')
    }
  }

  #enter(state: ReactorStatus['state'], error?: Error): void {
    const isNews = state !== this.#state
    this.#state = state
    this.#error = error
    if (isNews) this.#options.onNews?.({ kind: 'state', status: this.status() })
  }
}
