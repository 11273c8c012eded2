import type { EventStoreDBClient } from '@eventstore/db-client'
import { disconnect } from './connection.ts'

/**
 * The connection that reads and subscriptions share. Keep-alive finds out after 20 s that it hangs, but never where it
 * hangs from the beginning: a call that is not answered gives it up for a new one, unless others were answered
 * meanwhile. Then it is slow, and to give it up would cost the others what they have.
 */
export class ReadingConnection {
  readonly #connect: () => EventStoreDBClient
  readonly #patience: number
  #client: EventStoreDBClient
  #madeAt = performance.now()
  #heardAt = 0

  /** @param patience milliseconds: a call that had less time says nothing of the connection. */
  constructor(connect: () => EventStoreDBClient, patience: number) {
    this.#connect = connect
    this.#patience = patience
    this.#client = connect()
  }

  /** Of the moment. */
  get client(): EventStoreDBClient {
    return this.#client
  }

  heard(): void {
    this.#heardAt = performance.now()
  }

  /** @param since when a call began to wait for the answer that did not come, as `performance.now()` gives it. */
  silent(since: number): void {
    const isOfOneBefore = since < this.#madeAt
    if (isOfOneBefore || performance.now() - Math.max(since, this.#heardAt) < this.#patience) return
    void disconnect(this.#client)
    this.#client = this.#connect()
    this.#madeAt = performance.now()
  }

  close(): Promise<void> {
    return disconnect(this.#client)
  }
}
