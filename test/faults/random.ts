import { crc32 } from 'node:zlib'
import { uniformInt } from 'pure-rand/distribution/uniformInt'
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus'

/** All choices of a run come from one seed. What runs at the same time draws from its own fork, so that no draw depends on timing. */
export class Random {
  readonly #seed: number
  readonly #generator: ReturnType<typeof xoroshiro128plus>

  constructor(seed: number) {
    this.#seed = seed
    this.#generator = xoroshiro128plus(seed)
  }

  /** The same for the same seed and label, whatever has been drawn. */
  fork(label: string | number): Random {
    return new Random(crc32(`${this.#seed} ${label}`))
  }

  /** Both bounds are included. */
  integer(least: number, most: number): number {
    return uniformInt(this.#generator, least, most)
  }

  chance(percent: number): boolean {
    return this.integer(1, 100) <= percent
  }

  pick<T>(values: readonly [T, ...T[]]): T {
    return values[this.integer(0, values.length - 1)] ?? values[0]
  }
}
