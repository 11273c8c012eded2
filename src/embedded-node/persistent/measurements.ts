/** The newest measurements that count. */
const WINDOW = 1000

/** The extra statistics of a consumer: how long it takes to answer, in milliseconds, under EventStoreDB's names. */
export class Measurements {
  readonly #started = new Map<object, number>()
  readonly #times: number[] = []

  start(message: object): void {
    this.#started.set(message, performance.now())
  }

  end(message: object): void {
    const start = this.#started.get(message)
    if (start === undefined) return
    this.#started.delete(message)
    if (this.#times.push(Math.floor(performance.now() - start)) > WINDOW) this.#times.shift()
  }

  /** Nothing before the first answer. */
  summary(): readonly (readonly [name: string, milliseconds: number])[] {
    const times = this.#times.toSorted((a, b) => a - b)
    if (times.length === 0) return []
    const percentile = (percent: number): number =>
      times[Math.floor((percent / 100) * times.length)] ?? times.at(-1) ?? 0
    const sum = times.reduce((total, time) => total + time, 0)
    return [
      ['Mean', Math.floor(sum / times.length)],
      ['Median', percentile(50)],
      ['Fastest', percentile(0)],
      ...[0, 20, 40, 60, 80].map((percent, index) => [`Quintile ${index + 1}`, percentile(percent)] as const),
      ...[90, 95, 99, 99.5, 99.9].map((percent) => [`${percent}%`, percentile(percent)] as const),
      ['Highest', percentile(100)],
    ]
  }
}
