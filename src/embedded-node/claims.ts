/** Bytes that many hold together. Beyond the limit, whoever has held some for longest must give them up. */
export class Claims<Holder> {
  readonly limit: number
  readonly #evict: (holder: Holder) => void
  /** Each where it was put when it began to hold something: the oldest first. */
  readonly #bytes = new Map<Holder, number>()
  #held = 0

  /** `evict` is told who has lost its claim. */
  constructor(limit: number, evict: (holder: Holder) => void) {
    this.limit = limit
    this.#evict = evict
  }

  get held(): number {
    return this.#held
  }

  /** From now on `holder` holds so many bytes. */
  set(holder: Holder, bytes: number): void {
    this.#held += bytes - (this.#bytes.get(holder) ?? 0)
    if (bytes > 0) this.#bytes.set(holder, bytes)
    else this.#bytes.delete(holder)
    while (this.#held > this.limit) this.#evictOldest()
  }

  #evictOldest(): void {
    for (const [oldest, bytes] of this.#bytes) {
      this.#bytes.delete(oldest)
      this.#held -= bytes
      this.#evict(oldest)
      return
    }
  }
}
