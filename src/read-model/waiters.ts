import type { Position } from '../cqrs/event.ts'

interface Waiter {
  readonly position: Position
  readonly settle: (reached: boolean) => void
}

/** Those who wait for a position. */
export class Waiters {
  readonly #waiters = new Set<Waiter>()
  #isInVain = false

  /** Resolves to false after so many milliseconds, or when the signal is aborted. */
  wait(position: Position, timeoutMs: number, signal: AbortSignal | undefined): Promise<boolean> {
    return new Promise((resolve) => {
      const giveUp = () => waiter.settle(false)
      const timer = setTimeout(giveUp, timeoutMs)
      const waiter: Waiter = {
        position,
        settle: (reached) => {
          clearTimeout(timer)
          signal?.removeEventListener('abort', giveUp)
          this.#waiters.delete(waiter)
          resolve(reached)
        },
      }
      this.#waiters.add(waiter)
      signal?.addEventListener('abort', giveUp, { once: true })
      if (signal?.aborted || this.#isInVain) giveUp()
    })
  }

  wake(position: Position): void {
    for (const waiter of this.#waiters) if (waiter.position <= position) waiter.settle(true)
  }

  /** From now on nobody waits. */
  giveUp(): void {
    this.#isInVain = true
    for (const waiter of this.#waiters) waiter.settle(false)
  }
}
