/** Bytes that many calls hold together. Whoever finds it exceeded by what it has just added gives that back. */
export class Budget {
  readonly limit: number
  #held = 0

  constructor(limit: number) {
    this.limit = limit
  }

  /** Negative `bytes` are given back. */
  add(bytes: number): void {
    this.#held += bytes
  }

  get held(): number {
    return this.#held
  }

  get isExceeded(): boolean {
    return this.#held > this.limit
  }
}

/** What an event takes in memory besides its bytes; without it, millions of empty ones would count for nothing. */
export const EVENT_OVERHEAD = 256

interface Content {
  readonly type: string
  readonly metadata: Uint8Array
  readonly data: Uint8Array
}

export const bytesHeldBy = ({ type, metadata, data }: Content): number =>
  EVENT_OVERHEAD + data.length + metadata.length + 2 * type.length
