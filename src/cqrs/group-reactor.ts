import type { Consumer, ConsumerGroupStatus, ConsumerGroups } from './consumer-group.ts'
import { GroupWork } from './group-work.ts'
import { filterOf, type Reaction, ReactionUnwanted } from './reaction.ts'
import type { RetryPolicy } from './reaction-lanes.ts'
import { backOff, pause } from './reaction-pace.ts'
import { RETRY_FOR_DAYS, type ReactorNews, type ReactorStatus } from './reactor.ts'

const MAX_IN_FLIGHT = 1_000
const MAX_CONCURRENT = 16

/** Bounds of the wait before the group is joined again, in milliseconds. */
const FIRST_WAIT = 50
const LONGEST_WAIT = 5_000

/** How long attempts may go on after {@link GroupReactor.stop}, in milliseconds. */
const GRACE = 3_000

/** How old the store's own figures may be in a status, in milliseconds. */
const STATUS_AGE = 1_000

export interface GroupReactorOptions {
  readonly groups: ConsumerGroups
  /** Reactors with the same group, in one process or in several, share the events among them. */
  readonly group: string
  readonly reaction: Reaction
  readonly retry?: RetryPolicy
  readonly onNews?: (news: ReactorNews) => void
}

/**
 * Runs a reaction on a consumer group, so that several processes share the work.
 *
 * - The group begins at the end of the log: it reacts to what happens, not to what had happened.
 * - At least once: an event is settled after its reaction. Where this process ends before, another one gets the event.
 * - Events of a stream go to one process as long as it is there, one after the other. An event that waits to be tried
 *   again does not hold back the later ones of its stream: where attempts fail, the order is not kept.
 * - An event that fails too often is parked by the store. Parked events are tried once more at each start.
 */
export class GroupReactor {
  readonly #options: GroupReactorOptions
  readonly #retry: RetryPolicy
  readonly #stop = new AbortController()
  #running: Promise<void> | undefined
  #work: GroupWork | undefined
  #state: ReactorStatus['state'] = 'stopped'
  #error: Error | undefined
  #failures = 0
  #stored: ConsumerGroupStatus = { position: 0, parked: 0 }
  #isRefreshing = false
  /** By the monotonic clock. */
  #storedAt = -STATUS_AGE
  #hasTried: () => void = () => undefined

  constructor(options: GroupReactorOptions) {
    this.#options = options
    this.#retry = options.retry ?? RETRY_FOR_DAYS
  }

  /**
   * To be called once. Resolves when the group is there, so that no event from then on is missed; or when it could
   * not be made at the first try, because the store is away.
   */
  start(): Promise<void> {
    const tried = new Promise<void>((resolve) => {
      this.#hasTried = resolve
    })
    this.#enter('starting')
    this.#running = this.#run(this.#stop.signal)
    return tried
  }

  /** Lets the attempts that are under way end, within some seconds. What is not settled then goes to others. */
  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#running
    if (this.#state !== 'failed') this.#enter('stopped')
  }

  /** `position` and `parked` are of the whole group, as the store last told them; the rest is of this process. */
  status(): ReactorStatus {
    void this.#refresh()
    return {
      name: this.#options.reaction.name,
      state: this.#state,
      ...this.#stored,
      lag: this.#state === 'live' ? (this.#work?.inFlight ?? 0) : undefined,
      retrying: this.#work?.retrying ?? 0,
      ...(this.#error && { error: this.#error }),
    }
  }

  /** Joins again after every error that may be over the next time. */
  async #run(signal: AbortSignal): Promise<void> {
    const { groups, group, reaction } = this.#options
    const { streamPrefixes } = filterOf(reaction.predicate)
    const { longestWait, maxAttempts: maxRetries } = this.#retry
    // An event that waits here to be tried again must not be handed to others: only one whose process is stuck.
    const messageTimeout = 2 * longestWait + 60_000
    let hasReplayed = false
    while (!signal.aborted) {
      try {
        await groups.ensureGroup({ group, streamPrefixes, messageTimeout, maxRetries })
        this.#hasTried()
        if (!hasReplayed) await groups.replayParked(group)
        hasReplayed = true
        await this.#consume(await groups.join(group, MAX_IN_FLIGHT), signal)
      } catch (error) {
        this.#hasTried()
        if (signal.aborted) return
        const isFinal = error instanceof ReactionUnwanted
        this.#failures++
        this.#enter(isFinal ? 'failed' : 'reconnecting', error instanceof Error ? error : new Error(String(error)))
        if (isFinal) return
        await pause(backOff(this.#failures, FIRST_WAIT, LONGEST_WAIT), signal)
      }
    }
  }

  /**
   * Until it is stopped, or the consumer is out of the group.
   *
   * @throws {StoreUnavailable | ReactionUnwanted}
   */
  async #consume(consumer: Consumer, stop: AbortSignal): Promise<void> {
    const out = new AbortController()
    const unwanted = new AbortController()
    const abort = new AbortController()
    const { reaction, onNews } = this.#options
    const end = AbortSignal.any([stop, out.signal, unwanted.signal])
    const work = new GroupWork({
      ...{ reaction, matches: filterOf(reaction.predicate).matches, retry: this.#retry, stop: end },
      ...{ maxConcurrent: MAX_CONCURRENT, abort: AbortSignal.any([abort.signal, out.signal]) },
      onUnwanted: (error) => unwanted.abort(error),
      onNews: (news) => onNews?.(news),
    })
    this.#work = work
    const left = whenAborted(end).then(async () => {
      const timer = setTimeout(() => abort.abort(new Error('stopped')), GRACE)
      await work.ended()
      clearTimeout(timer)
      await consumer.leave()
    })
    this.#enter('live')
    try {
      for await (const delivery of consumer.deliveries) {
        this.#failures = 0
        work.accept(delivery)
      }
    } finally {
      out.abort(new Error('out of the group'))
      await left
    }
    unwanted.signal.throwIfAborted()
  }

  async #refresh(): Promise<void> {
    if (this.#isRefreshing || this.#state !== 'live' || performance.now() - this.#storedAt < STATUS_AGE) return
    this.#isRefreshing = true
    const { groups, group } = this.#options
    this.#stored = (await groups.groupStatus(group).catch(() => undefined)) ?? this.#stored
    this.#storedAt = performance.now()
    this.#isRefreshing = false
  }

  #enter(state: ReactorStatus['state'], error?: Error): void {
    const isNews = state !== this.#state
    this.#state = state
    this.#error = error
    if (isNews) this.#options.onNews?.({ kind: 'state', status: this.status() })
  }
}

function whenAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
