/** Milliseconds that pages of the log may take of one turn of the event loop. */
const TURN_MS = 10

/**
 * Shares the thread among reads, and leaves the rest of it to writes: when pages of the log have taken their share of a
 * turn of the event loop, the others wait for the next turn, oldest first. However many calls read, an append
 * waits for a few pages only.
 */
export class Turns {
  readonly #waiting: (() => void)[] = []
  #spent = 0
  #isScheduled = false

  /** Runs `read` now or in a later turn; resolves with what it returns, or rejects with what it throws. */
  take<T>(read: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      const job = (): void => {
        const start = performance.now()
        try {
          resolve(read())
        } catch (error) {
          reject(error)
        }
        this.#spent += performance.now() - start
      }
      if (this.#spent < TURN_MS && this.#waiting.length === 0) job()
      else this.#waiting.push(job)
      this.#schedule()
    })
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(() => this.#begin())
  }

  #begin(): void {
    this.#spent = 0
    let next = 0
    while (this.#spent < TURN_MS && next < this.#waiting.length) this.#waiting[next++]?.()
    this.#waiting.splice(0, next)
    this.#isScheduled = false
    if (this.#waiting.length > 0) this.#schedule()
  }
}
