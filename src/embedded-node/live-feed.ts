import { isComputed } from './computed-streams.ts'
import { isHiddenFromAll } from './hidden-streams.ts'
import type { LinkIndex } from './link-index.ts'
import type { LogEvent } from './log-event.ts'

export interface Listener {
  /** Called for each event right after its commit, in the order of the log. Must not throw or wait. */
  offer(event: LogEvent): void
}

/** Committed events on their way to whoever listens to a stream or to all of them. */
export class LiveFeed {
  readonly #links: LinkIndex
  readonly #all = new Set<Listener>()
  readonly #streams = new Map<string, Set<Listener>>()
  /** How many computed streams have listeners: without any, their links are not thought of. */
  #computed = 0

  constructor(links: LinkIndex) {
    this.#links = links
  }

  publish(events: readonly LogEvent[]): void {
    for (const event of events) {
      if (this.#all.size > 0 && !isHiddenFromAll(event.stream)) {
        for (const listener of this.#all) listener.offer(event)
      }
      this.#offer(event)
      if (this.#computed > 0) for (const link of this.#links.linksTo(event)) this.#offer(link)
    }
  }

  /** Listens until the returned function is called. */
  listenToAll(listener: Listener): () => void {
    this.#all.add(listener)
    return () => this.#all.delete(listener)
  }

  /** Listens until the returned function is called. */
  listenTo(stream: string, listener: Listener): () => void {
    const listeners = this.#streams.get(stream) ?? this.#open(stream)
    listeners.add(listener)
    return () => {
      listeners.delete(listener)
      if (listeners.size === 0 && this.#streams.get(stream) === listeners) this.#close(stream)
    }
  }

  #offer(event: LogEvent): void {
    const listeners = this.#streams.get(event.stream)
    if (listeners !== undefined) for (const listener of [...listeners]) listener.offer(event)
  }

  #open(stream: string): Set<Listener> {
    if (isComputed(stream)) {
      this.#links.follow(stream)
      this.#computed++
    }
    const listeners = new Set<Listener>()
    this.#streams.set(stream, listeners)
    return listeners
  }

  #close(stream: string): void {
    this.#streams.delete(stream)
    if (!isComputed(stream)) return
    this.#links.unfollow(stream)
    this.#computed--
  }
}
