import { type Stats, statSync } from 'node:fs'

/**
 * Tells when a file that SQLite has open, or its write-ahead log, was removed, replaced or cut under it. SQLite goes on
 * with what it has open, which nobody else finds any more, and which is gone with the process.
 */
export class FileIdentity {
  readonly #files: readonly string[]
  #known: readonly (Stats | undefined)[]

  /** Once something was written, so that there is a write-ahead log. */
  constructor(file: string) {
    this.#files = [file, `${file}-wal`]
    this.#known = this.#look()
  }

  /** Whether the files are those that were there at first, and the database has not become smaller. */
  isIntact(): boolean {
    const known = this.#known
    this.#known = this.#look()
    return this.#known.every((now, index) => {
      const before = known[index]
      if (!now || !before || now.ino !== before.ino || now.dev !== before.dev) return false
      return index > 0 || now.size >= before.size
    })
  }

  #look(): (Stats | undefined)[] {
    return this.#files.map((file) => statSync(file, { throwIfNoEntry: false }))
  }
}
