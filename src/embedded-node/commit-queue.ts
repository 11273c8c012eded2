import { Budget, bytesHeldBy } from './budget.ts'

/** What a commit takes at most: enough to share an fsync, little enough to leave the thread to readers soon. */
const COMMIT = { events: 2_000, bytes: 16 * 1024 * 1024 }
/** What requests of clients may hold that wait for their commit. */
const MAX_WAITING_BYTES = 256 * 1024 * 1024
/** What a request takes in memory besides its events. */
const REQUEST_OVERHEAD = 512

interface Request {
  readonly stream: string
  readonly events: readonly { readonly type: string; readonly metadata: Uint8Array; readonly data: Uint8Array }[]
}

/** Requests that wait for a commit, in the order of arrival. */
export class CommitQueue<R extends Request> {
  readonly #commit: { readonly events: number; readonly bytes: number }
  readonly #waiting: Budget
  #entries: { readonly request: R; readonly bytes: number }[] = []

  constructor(commit = COMMIT, maxWaitingBytes = MAX_WAITING_BYTES) {
    this.#commit = commit
    this.#waiting = new Budget(maxWaitingBytes)
  }

  /** Whether clients should wait before they send more. */
  get isFull(): boolean {
    return this.#waiting.isExceeded
  }

  get isEmpty(): boolean {
    return this.#entries.length === 0
  }

  push(request: R): void {
    const bytes = request.events.reduce(
      (sum, event) => sum + bytesHeldBy(event),
      REQUEST_OVERHEAD + request.stream.length,
    )
    this.#waiting.add(bytes)
    this.#entries.push({ request, bytes })
  }

  /** The requests of the next commit: as many as fit into it, at least one. */
  takeBatch(): R[] {
    let [events, bytes] = [0, 0]
    const full = this.#entries.findIndex((entry) => {
      // A deletion writes an event, and an append without events takes its time as well.
      events += Math.max(1, entry.request.events.length)
      bytes += entry.bytes
      return events > this.#commit.events || bytes > this.#commit.bytes
    })
    return this.#take(full < 0 ? this.#entries.length : Math.max(1, full))
  }

  takeAll(): R[] {
    return this.#take(this.#entries.length)
  }

  #take(count: number): R[] {
    return this.#entries.splice(0, count).map(({ request, bytes }) => {
      this.#waiting.add(-bytes)
      return request
    })
  }
}
