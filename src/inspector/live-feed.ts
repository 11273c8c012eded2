import { setTimeout } from 'node:timers/promises'
import type { RecordedEvent } from '../cqrs/event.ts'
import type { StoreExplorer } from '../cqrs/store-explorer.ts'

/** Most viewers at a time. */
const MAX_VIEWERS = 20

/** Most events that wait for one viewer to take them; the rest is dropped, and counted. */
const MAX_WAITING = 200

/** Milliseconds before a subscription that was lost is asked for again. */
const RETRY = 1_000

/** What a viewer is told, in the order in which it happened. */
export type News =
  | { readonly kind: 'event'; readonly event: RecordedEvent }
  /** So many events were left out here, because the viewer did not take them fast enough. */
  | { readonly kind: 'dropped'; readonly count: number }
  /** Whether events come as they are appended. What is appended while the store is away is not told. */
  | { readonly kind: 'state'; readonly state: 'live' | 'away' }

/** One subscription to the log for all who look at it. There is none while nobody does. */
export class LiveFeed {
  readonly #store: Pick<StoreExplorer, 'followLog'>
  readonly #viewers = new Set<Viewer>()
  #subscription: AbortController | undefined
  #state: 'live' | 'away' = 'away'
  #isClosed = false

  /** @param stopped ends it, with all viewers. */
  constructor(store: Pick<StoreExplorer, 'followLog'>, stopped: AbortSignal) {
    this.#store = store
    stopped.addEventListener('abort', () => this.#close(), { once: true })
  }

  /**
   * From now on, or from when the store is there again.
   *
   * @throws {TooManyViewers}
   */
  join(isWanted: (event: RecordedEvent) => boolean): Viewer {
    if (this.#viewers.size >= MAX_VIEWERS) throw new TooManyViewers(MAX_VIEWERS)
    const viewer: Viewer = new Viewer(isWanted, () => this.#left(viewer))
    if (this.#isClosed) {
      viewer.leave()
      return viewer
    }
    this.#viewers.add(viewer)
    if (this.#subscription) viewer.tell({ kind: 'state', state: this.#state })
    else {
      this.#subscription = new AbortController()
      void this.#follow(this.#subscription.signal)
    }
    return viewer
  }

  #left(viewer: Viewer): void {
    this.#viewers.delete(viewer)
    if (this.#viewers.size > 0) return
    this.#subscription?.abort()
    this.#subscription = undefined
    this.#state = 'away'
  }

  #close(): void {
    this.#isClosed = true
    for (const viewer of this.#viewers) viewer.leave()
  }

  async #follow(signal: AbortSignal): Promise<void> {
    const become = (state: 'live' | 'away') => {
      if (signal.aborted || this.#state === state) return
      this.#state = state
      this.#tell({ kind: 'state', state })
    }
    while (!signal.aborted) {
      try {
        for await (const event of this.#store.followLog(signal, () => become('live'))) {
          if (signal.aborted) return
          this.#tell({ kind: 'event', event })
        }
      } catch {
        // Whatever it is, the viewers are told that nothing comes, and it is tried again.
      }
      become('away')
      await setTimeout(RETRY, undefined, { signal }).catch(() => undefined)
    }
  }

  #tell(news: News): void {
    for (const viewer of this.#viewers) viewer.tell(news)
  }
}

/** What one viewer has not taken yet. */
export class Viewer {
  readonly #isWanted: (event: RecordedEvent) => boolean
  readonly #onLeave: () => void
  #waiting: News[] = []
  #dropped = 0
  #hasLeft = false
  #wake: () => void = () => undefined

  constructor(isWanted: (event: RecordedEvent) => boolean, onLeave: () => void) {
    this.#isWanted = isWanted
    this.#onLeave = onLeave
  }

  tell(news: News): void {
    if (news.kind === 'event' && !this.#isWanted(news.event)) return
    if (this.#dropped > 0 || (news.kind === 'event' && this.#waiting.length >= MAX_WAITING)) {
      // Once something is left out, all is until the viewer has come so far: what it sees is a stretch without holes.
      if (news.kind === 'event') this.#dropped++
      else this.#waiting.push(...this.#drops(), news)
    } else {
      this.#waiting.push(news)
    }
    this.#wake()
  }

  /** What there is, or nothing after so many milliseconds; undefined once the viewer has left. */
  async take(timeout: number): Promise<readonly News[] | undefined> {
    if (this.#waiting.length === 0 && !this.#hasLeft) {
      const woken = new AbortController()
      this.#wake = () => woken.abort()
      await setTimeout(timeout, undefined, { signal: woken.signal }).catch(() => undefined)
    }
    if (this.#hasLeft) return undefined
    const taken = [...this.#waiting, ...this.#drops()]
    this.#waiting = []
    return taken
  }

  leave(): void {
    if (this.#hasLeft) return
    this.#hasLeft = true
    this.#waiting = []
    this.#onLeave()
    this.#wake()
  }

  #drops(): News[] {
    const count = this.#dropped
    this.#dropped = 0
    return count === 0 ? [] : [{ kind: 'dropped', count }]
  }
}

/** As many look at the live view as may. */
export class TooManyViewers extends Error {
  override readonly name = 'TooManyViewers'
  readonly most: number

  constructor(most: number) {
    super(`${most} look at the live view already, which is as many as may`)
    this.most = most
  }
}
