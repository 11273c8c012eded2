import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { EventStoreDBClient, jsonEvent } from '@eventstore/db-client'

export interface Report {
  readonly appends: number
  /** Milliseconds of the slowest append, and of the slowest way from the append's start to the subscription. */
  readonly slowestAppend: number
  readonly slowestDelivery: number
  /** What the subscription saw, in order. */
  readonly seen: readonly number[]
}

/** A client that behaves well while others do not: it appends to a stream that it subscribes to. */
export class Canary {
  readonly #client: EventStoreDBClient
  readonly #stream = `canary-${randomUUID()}`
  readonly #started: number[] = []
  readonly #seen: number[] = []
  #slowestAppend = 0
  #slowestDelivery = 0
  #isStopped = false
  readonly #done: Promise<void>
  /** Resolves when its first append is answered. */
  readonly connected: Promise<void>

  constructor(port: number) {
    this.#client = EventStoreDBClient.connectionString(`esdb://127.0.0.1:${port}?tls=false`)
    let connect = (): void => {}
    const first = new Promise<void>((resolve) => {
      connect = resolve
    })
    this.#done = this.#run(connect)
    this.connected = Promise.race([first, this.#done])
    // Whoever stops it is told.
    this.#done.catch(() => {})
  }

  /** Rejects when an append or the subscription failed, or events do not come. */
  async stop(): Promise<Report> {
    this.#isStopped = true
    await this.#done
    await this.#client.dispose()
    return {
      appends: this.#started.length,
      slowestAppend: Math.round(this.#slowestAppend),
      slowestDelivery: Math.round(this.#slowestDelivery),
      seen: this.#seen,
    }
  }

  async #run(connect: () => void): Promise<void> {
    const subscription = this.#client.subscribeToStream(this.#stream)
    let failure: Error | undefined
    subscription.on('error', (error) => {
      failure = error
    })
    subscription.on('data', ({ event }) => {
      const number = Number(event?.revision ?? -1)
      this.#seen.push(number)
      this.#slowestDelivery = Math.max(this.#slowestDelivery, performance.now() - (this.#started[number] ?? 0))
    })
    while (!this.#isStopped) {
      const start = performance.now()
      this.#started.push(start)
      await this.#client.appendToStream(this.#stream, jsonEvent({ type: 'sang', data: {} }))
      this.#slowestAppend = Math.max(this.#slowestAppend, performance.now() - start)
      connect()
      await sleep(20)
    }
    const deadline = performance.now() + 10_000
    while (this.#seen.length < this.#started.length && performance.now() < deadline) await sleep(20)
    await subscription.unsubscribe()
    if (failure !== undefined) throw failure
  }
}
