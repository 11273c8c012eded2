import { BoundedMap } from './bounded-map.ts'
import type { Log } from './log.ts'
import type { LogEvent } from './log-event.ts'

/** At least so many; EventStoreDB remembers what fits into 8 MiB, some tens of thousands. */
const REMEMBERED = 25_000

interface Place {
  readonly stream: string
  readonly revision: number
}

/**
 * Where recently written event ids were first seen. EventStoreDB forgets them too; exact revisions are checked in the
 * log. The first question fills it from the newest events of the log, so that a node that is only read starts sooner.
 */
export class RecentIds {
  readonly #log: Log
  readonly #seen = new BoundedMap<Place>(REMEMBERED)
  #isFilled = false

  constructor(log: Log) {
    this.#log = log
  }

  get(id: string): Place | undefined {
    this.#fill()
    return this.#seen.get(id)
  }

  add({ id, stream, revision }: LogEvent): void {
    this.#fill()
    if (this.#seen.get(id) === undefined) this.#seen.set(id, { stream, revision })
  }

  /** Takes back what was added for an event that was not written after all. */
  forget({ id, stream, revision }: LogEvent): void {
    const seen = this.#seen.get(id)
    if (seen?.stream === stream && seen.revision === revision) this.#seen.delete(id)
  }

  #fill(): void {
    if (this.#isFilled) return
    this.#isFilled = true
    this.#log.forEachIdBehind(this.#log.lastPosition - REMEMBERED, (id, stream, revision) => {
      if (this.#seen.get(id) === undefined) this.#seen.set(id, { stream, revision })
    })
  }
}
