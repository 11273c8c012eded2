import { isHiddenFromAll } from './hidden-streams.ts'
import type { LogEvent } from './log.ts'

export interface Listener {
  /** Called for each event right after its commit, in the order of the log. Must not throw or wait. */
  offer(event: LogEvent): void
}

/** Committed events on their way to whoever listens to a stream or to all of them. */
export class LiveFeed {
  readonly #all = new Set<Listener>()
  readonly #streams = new Map<string, Set<Listener>>()

  publish(events: readonly LogEvent[]): void {
    for (const event of events) {
      if (this.#all.size > 0 && !isHiddenFromAll(event.stream)) {
        for (const listener of this.#all) listener.offer(event)
      }
      const listeners = this.#streams.get(event.stream)
      if (listeners !== undefined) for (const listener of [...listeners]) listener.offer(event)
    }
  }

  /** Listens until the returned function is called. */
  listenToAll(listener: Listener): () => void {
    this.#all.add(listener)
    return () => this.#all.delete(listener)
  }

  /** Listens until the returned function is called. */
  listenTo(stream: string, listener: Listener): () => void {
    const listeners = this.#streams.get(stream) ?? new Set()
    this.#streams.set(stream, listeners.add(listener))
    return () => {
      listeners.delete(listener)
      if (listeners.size === 0 && this.#streams.get(stream) === listeners) this.#streams.delete(stream)
    }
  }
}
