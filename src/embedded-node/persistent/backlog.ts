import type { Message } from './consumer.ts'
import type { PushResult } from './strategy.ts'

/** Bytes of events that a group keeps ready: with large events that is less than its `historyBufferSize`. */
const MAX_BYTES = 16 * 1024 * 1024

/** What a group has to deliver: first what must be delivered again, then what was read ahead. */
export class Backlog {
  readonly #size: number
  /** In the order of positions; replayed messages, which have none, behind the others. */
  readonly #retries: Message[] = []
  readonly #read = new Set<Message>()
  #bytes = 0

  /** `size` is the group's `historyBufferSize`. */
  constructor(size: number) {
    this.#size = size
  }

  get retryCount(): number {
    return this.#retries.length
  }

  get readCount(): number {
    return this.#read.size
  }

  /** Whether so many events may be read ahead. */
  accepts(count: number): boolean {
    return this.#size - this.#retries.length - this.#read.size > count && this.#bytes < MAX_BYTES
  }

  /** Whether there is room for an event that was just written. */
  get acceptsLive(): boolean {
    return this.#read.size < this.#size && this.#bytes < MAX_BYTES
  }

  add(message: Message): void {
    this.#read.add(message)
    this.#bytes += message.bytes
  }

  addRetry(message: Message): void {
    const place = message.replayed
      ? this.#retries.length
      : this.#retries.findLastIndex((other) => !other.replayed && other.position <= message.position) + 1
    this.#retries.splice(place, 0, message)
    this.#bytes += message.bytes
  }

  /** Offers messages in the order of delivery, and forgets those that are taken, until an answer is `stop`. */
  drain(offer: (message: Message) => PushResult): void {
    for (let index = 0; index < this.#retries.length; ) {
      const message = this.#retries[index]
      const result = message === undefined ? 'stop' : offer(message)
      if (result === 'stop') return
      if (result === 'skipped') index++
      else this.#forget(this.#retries.splice(index, 1))
    }
    for (const message of this.#read) {
      const result = offer(message)
      if (result === 'stop') return
      if (result === 'sent' && this.#read.delete(message)) this.#forget([message])
    }
  }

  #forget(messages: readonly Message[]): void {
    for (const { bytes } of messages) this.#bytes -= bytes
  }
}
