import { StoreUnavailable } from '../cqrs/event-store.ts'
import type { ReadingConnection } from './reading-connection.ts'
import { type Refusal, refusalOf } from './refusal.ts'

/** A refusal is over when it has not been met for so many milliseconds. */
const OVER = 60_000

/** Whether the store answered what it was asked last. A refusal is an answer. */
export class Contact {
  #isUp = false
  readonly #onRefusal: (error: Error) => void
  readonly #refused = new Map<Refusal, number>()

  /** `onRefusal` is told once of each kind of refusal, until it is over. */
  constructor(onRefusal: (error: Error) => void = () => undefined) {
    this.#onRefusal = onRefusal
  }

  get isUp(): boolean {
    return this.#isUp
  }

  /** Of calls on the reading connection, that is told as well. */
  async of<T>(call: Promise<T>, reading?: ReadingConnection): Promise<T> {
    const since = performance.now()
    try {
      const answer = await call
      this.#answered(reading)
      return answer
    } catch (error) {
      throw this.#noticed(error, since, reading)
    }
  }

  async *ofAll<T>(answers: AsyncIterable<T>, reading: ReadingConnection): AsyncIterable<T> {
    let since = performance.now()
    try {
      for await (const answer of answers) {
        this.#answered(reading)
        yield answer
        since = performance.now()
      }
      this.#answered(reading)
    } catch (error) {
      throw this.#noticed(error, since, reading)
    }
  }

  #answered(reading: ReadingConnection | undefined): void {
    this.#isUp = true
    reading?.heard()
  }

  #noticed(error: unknown, since: number, reading: ReadingConnection | undefined): unknown {
    this.#isUp = !(error instanceof StoreUnavailable)
    // Nobody said why there is no answer.
    if (error instanceof StoreUnavailable && error.cause === undefined) reading?.silent(since)
    const refusal = refusalOf(error)
    if (refusal !== undefined && error instanceof Error) {
      const isKnown = performance.now() - (this.#refused.get(refusal) ?? Number.NEGATIVE_INFINITY) < OVER
      this.#refused.set(refusal, performance.now())
      if (!isKnown) this.#onRefusal(error)
    }
    return error
  }
}
