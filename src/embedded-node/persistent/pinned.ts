import { crc32 } from 'node:zlib'
import type { Consumer, Message } from './consumer.ts'
import type { PushResult, Strategy } from './strategy.ts'

const BUCKETS = 1024

interface Bucket {
  /** Undefined until its first message, and again when its consumer has gone. */
  consumer: Consumer | undefined
  unanswered: number
}

/**
 * Messages with the same pin go to the same consumer as long as it is connected. Pins fall into buckets; a bucket is given to
 * the consumer that has the fewest when its first message comes, and a new consumer takes its share from the others.
 */
export class Pinned implements Strategy {
  readonly #pinOf: (message: Message) => string
  readonly #buckets: Bucket[] = Array.from({ length: BUCKETS }, () => ({ consumer: undefined, unanswered: 0 }))
  /** How many buckets each consumer has. */
  readonly #shares = new Map<Consumer, number>()

  constructor(pinOf: (message: Message) => string) {
    this.#pinOf = pinOf
  }

  add(consumer: Consumer): void {
    this.#shares.set(consumer, 0)
    const assigned = [...this.#shares.values()].reduce((sum, share) => sum + share, 0)
    const fair = Math.ceil(assigned / this.#shares.size)
    for (const [other, share] of [...this.#shares]) {
      if (other === consumer || share <= fair) continue
      const owned = this.#buckets.filter((bucket) => bucket.consumer === other)
      owned.sort((a, b) => a.unanswered - b.unanswered)
      for (const bucket of owned.slice(0, share - fair)) this.#assign(bucket, consumer)
    }
  }

  remove(consumer: Consumer): void {
    this.#shares.delete(consumer)
    for (const bucket of this.#buckets) {
      if (bucket.consumer !== consumer) continue
      bucket.consumer = undefined
      bucket.unanswered = 0
    }
  }

  push(message: Message): PushResult {
    if (![...this.#shares.keys()].some((consumer) => consumer.availableSlots > 0)) return 'stop'
    const bucket = this.#bucketOf(message)
    if (bucket.consumer === undefined) this.#assign(bucket, this.#leastLoaded())
    if (bucket.consumer?.push(message) !== true) return 'skipped'
    bucket.unanswered++
    return 'sent'
  }

  released(message: Message, consumer: Consumer): void {
    const bucket = this.#bucketOf(message)
    if (bucket.consumer === consumer) bucket.unanswered--
  }

  #assign(bucket: Bucket, consumer: Consumer | undefined): void {
    this.#count(bucket.consumer, -1)
    this.#count(consumer, 1)
    bucket.consumer = consumer
  }

  #count(consumer: Consumer | undefined, change: number): void {
    if (consumer !== undefined) this.#shares.set(consumer, (this.#shares.get(consumer) ?? 0) + change)
  }

  #leastLoaded(): Consumer | undefined {
    let least: { consumer: Consumer; share: number } | undefined
    for (const [consumer, share] of this.#shares) {
      if (least === undefined || share < least.share) least = { consumer, share }
    }
    return least?.consumer
  }

  #bucketOf(message: Message): Bucket {
    const bucket = this.#buckets[crc32(this.#pinOf(message)) % BUCKETS]
    if (bucket === undefined) throw new Error('A checksum is a whole number')
    return bucket
  }
}
