import type { RecordedEvent } from '../cqrs/event.ts'

/** How long a live subscription may take to deliver what was appended before it is read instead, in milliseconds. */
const PATIENCE = 50

/**
 * Appended events on their way back through the live subscriptions of this process, which tell when the store
 * recorded them without a read for each.
 */
export class Arrivals {
  readonly #live = new Set<readonly string[]>()
  readonly #expected = new Map<string, Expected>()

  /** To be called before the append, because the event may be delivered before the append is answered. */
  expect(stream: string, eventId: string): Expected {
    const expected = new Expected(() => this.#expected.delete(eventId))
    if (this.#isFollowed(stream)) this.#expected.set(eventId, expected)
    else expected.settle(undefined)
    return expected
  }

  delivered(event: RecordedEvent): void {
    this.#expected.get(event.id)?.settle(event)
  }

  /** A subscription to streams with these prefixes is live, until the function that is returned is called. */
  live(prefixes: readonly string[]): () => void {
    const subscription = [...prefixes]
    this.#live.add(subscription)
    return () => {
      this.#live.delete(subscription)
      if (this.#live.size === 0) for (const expected of this.#expected.values()) expected.settle(undefined)
    }
  }

  #isFollowed(stream: string): boolean {
    for (const prefixes of this.#live) if (prefixes.some((prefix) => stream.startsWith(prefix))) return true
    return false
  }
}

export class Expected {
  readonly #forget: () => void
  #isSettled = false
  #event: RecordedEvent | undefined
  #wake: () => void = () => undefined

  constructor(forget: () => void) {
    this.#forget = forget
  }

  settle(event: RecordedEvent | undefined): void {
    this.#isSettled = true
    this.#event = event
    this.#forget()
    this.#wake()
  }

  /** The event, or undefined where it does not come soon. */
  async arrival(): Promise<RecordedEvent | undefined> {
    if (!this.#isSettled) {
      const timer = setTimeout(() => this.settle(undefined), PATIENCE)
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
      clearTimeout(timer)
    }
    return this.#event
  }
}
