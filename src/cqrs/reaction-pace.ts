/** Milliseconds to wait after so many failures in a row. Drawn at random, so that those who failed together do not come back together. */
export function backOff(failures: number, first: number, longest: number): number {
  return Math.min(longest, first * 2 ** (failures - 1)) * (0.5 + Math.random() / 2)
}

/** Resolves after so many milliseconds, or when the signal is aborted. */
export function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', end)
      resolve()
    }
    const timer = setTimeout(end, milliseconds)
    signal.addEventListener('abort', end, { once: true })
    if (signal.aborted) end()
  })
}

/** So many may do something at a time. Nobody waits any more once the signal is aborted. */
export class Permits {
  #free: number
  #isOver = false
  #waiting: ((taken: boolean) => void)[] = []

  constructor(count: number, signal: AbortSignal) {
    this.#free = count
    signal.addEventListener('abort', () => this.#end(), { once: true })
    if (signal.aborted) this.#end()
  }

  /** False where the signal was aborted. First come, first served. */
  async take(): Promise<boolean> {
    if (this.#isOver) return false
    if (this.#free > 0) {
      this.#free--
      return true
    }
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  give(): void {
    const next = this.#waiting.shift()
    if (next) next(true)
    else this.#free++
  }

  #end(): void {
    this.#isOver = true
    for (const resolve of this.#waiting.splice(0)) resolve(false)
  }
}
