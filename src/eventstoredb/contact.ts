import { StoreUnavailable } from '../cqrs/event-store.ts'

/** Whether the store answered what it was asked last. A refusal is an answer. */
export class Contact {
  #isUp = false

  get isUp(): boolean {
    return this.#isUp
  }

  /** `onSilence` is called where nobody said why there is no answer. */
  async of<T>(call: Promise<T>, onSilence?: () => void): Promise<T> {
    try {
      const answer = await call
      this.#isUp = true
      return answer
    } catch (error) {
      throw this.#noticed(error, onSilence)
    }
  }

  async *ofAll<T>(answers: AsyncIterable<T>, onSilence?: () => void): AsyncIterable<T> {
    try {
      for await (const answer of answers) {
        this.#isUp = true
        yield answer
      }
      this.#isUp = true
    } catch (error) {
      throw this.#noticed(error, onSilence)
    }
  }

  #noticed(error: unknown, onSilence?: () => void): unknown {
    if (error instanceof StoreUnavailable && error.cause === undefined) onSilence?.()
    this.#isUp = !(error instanceof StoreUnavailable)
    return error
  }
}
