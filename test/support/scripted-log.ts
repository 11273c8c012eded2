import type { Position, RecordedEvent } from '../../src/cqrs/event.ts'
import { type EventLog, type LogBatch, StoreUnavailable, type SubscribeOptions } from '../../src/cqrs/event-store.ts'

/**
 * A log whose faults come exactly where a test wants them, which a real store cannot be made to do: it holds batches
 * as they are given, ends subscriptions on demand, and can be cut off at the end like a restored store.
 */
export class ScriptedLog implements EventLog {
  #batches: LogBatch[] = []
  #end: Position | undefined
  #isAvailable = true
  #epoch = 0
  #wake: (() => void)[] = []
  /** The `after` of each subscription, in order. */
  readonly subscriptions: (Position | undefined)[] = []

  add(...events: RecordedEvent[]): this {
    const last = events.at(-1)
    if (last) this.addBatch({ events, position: last.position, caughtUp: true })
    return this
  }

  addBatch(batch: LogBatch): this {
    this.#batches.push(batch)
    this.#end = Math.max(this.#end ?? 0, batch.position)
    this.#notify()
    return this
  }

  /** Breaks all subscriptions; new ones fail until the log is `restore`d. */
  cut(): void {
    this.#isAvailable = false
    this.#epoch++
    this.#notify()
  }

  /** Lets subscriptions in again. What was after the new `end` is gone, like in a store that was restored. */
  restore(end: Position | undefined = this.#end): void {
    this.#isAvailable = true
    this.#end = end
    this.#batches = this.#batches.filter(({ position }) => position <= (end ?? -1))
    this.#notify()
  }

  async lastPosition(): Promise<Position | undefined> {
    this.#check(this.#epoch)
    return this.#end
  }

  async eventAt(position: Position): Promise<RecordedEvent | undefined> {
    this.#check(this.#epoch)
    return this.#batches.flatMap(({ events }) => events).find((event) => event.position === position)
  }

  async *subscribe({ after, streamPrefixes, signal }: SubscribeOptions): AsyncIterable<LogBatch> {
    const epoch = this.#epoch
    this.#check(epoch)
    this.subscriptions.push(after)
    const stop = () => this.#notify()
    signal.addEventListener('abort', stop, { once: true })
    const isWanted = (event: RecordedEvent) =>
      event.position > (after ?? -1) && streamPrefixes.some((prefix) => event.stream.startsWith(prefix))
    for (let next = 0; !signal.aborted; ) {
      this.#check(epoch)
      const batch = this.#batches[next]
      if (batch) {
        next++
        const isLast = next === this.#batches.length
        const events = batch.events.filter(isWanted)
        const position = Math.max(batch.position, after ?? 0)
        yield { events, position, caughtUp: batch.caughtUp && isLast }
      } else {
        if (next === 0 && this.#end === undefined) yield { events: [], position: after ?? 0, caughtUp: true }
        await new Promise<void>((resolve) => this.#wake.push(resolve))
      }
    }
  }

  #check(epoch: number): void {
    if (!this.#isAvailable || epoch !== this.#epoch) throw new StoreUnavailable('the script says so', 'not-appended')
  }

  #notify(): void {
    const wake = this.#wake
    this.#wake = []
    for (const resolve of wake) resolve()
  }
}
