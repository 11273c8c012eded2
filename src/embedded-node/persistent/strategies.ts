import type { Consumer, Message } from './consumer.ts'
import { Pinned } from './pinned.ts'
import { correlationOf, streamOf } from './pins.ts'
import type { PushResult, Strategy } from './strategy.ts'

const STRATEGIES = {
  RoundRobin: () => new Rotation(true),
  DispatchToSingle: () => new Rotation(false),
  Pinned: () => new Pinned(streamOf),
  PinnedByCorrelation: () => new Pinned((message) => correlationOf(message) ?? streamOf(message)),
} satisfies Record<string, () => Strategy>

/** A new strategy, or undefined when there is none of this name. */
export function strategyOf(name: string): Strategy | undefined {
  return Object.entries(STRATEGIES).find(([known]) => known === name)?.[1]()
}

/** Consumers in turn: the next one for each message, or the next one only when the first has no room. */
class Rotation implements Strategy {
  readonly #evenly: boolean
  readonly #consumers: Consumer[] = []

  constructor(evenly: boolean) {
    this.#evenly = evenly
  }

  add(consumer: Consumer): void {
    this.#consumers.push(consumer)
  }

  remove(consumer: Consumer): void {
    const index = this.#consumers.indexOf(consumer)
    if (index >= 0) this.#consumers.splice(index, 1)
  }

  push(message: Message): PushResult {
    for (let tried = 0; tried < this.#consumers.length; tried++) {
      const sent = this.#consumers[0]?.push(message) === true
      if (!sent || this.#evenly) this.#consumers.push(...this.#consumers.splice(0, 1))
      if (sent) return 'sent'
    }
    return 'stop'
  }

  released(): void {}
}
