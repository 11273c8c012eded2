import Database from 'better-sqlite3'
import type { Position } from '../cqrs/event.ts'
import { Generations } from './generations.ts'

/**
 * How far the file has come that is being built in a folder, by this process or by another one: the position up to
 * which it is committed, 0 where nothing is. Undefined where none is being built; what a build that was killed has left
 * does not count.
 */
export class BuildProgress {
  readonly #generations: Generations
  #last: { readonly file: string; readonly position: Position } | undefined

  constructor(dir: string) {
    this.#generations = new Generations(dir)
  }

  position(): Position | undefined {
    const file = this.#generations.unfinished()
    if (file === undefined) return undefined
    const known = this.#last?.file === file ? this.#last.position : 0
    // It cannot be read while a transaction is written that is larger than the cache.
    const position = committed(file) ?? known
    this.#last = { file, position }
    return position
  }
}

function committed(file: string): Position | undefined {
  let db: Database.Database | undefined
  try {
    db = new Database(file, { readonly: true, timeout: 0 })
    const select = db.prepare<[], { position: Position | null }>('SELECT position FROM checkpoint')
    return select.get()?.position ?? 0
  } catch {
    return undefined
  } finally {
    db?.close()
  }
}
