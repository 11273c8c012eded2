import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { basename, join } from 'node:path'
import Database from 'better-sqlite3'
import { failpoint } from './failpoint.ts'
import { isCorruption } from './sqlite-faults.ts'

/** Names the live file. Replaced by rename, so that a reader sees the old name or the new one and nothing else. */
const POINTER = 'current'
const LOCK = 'lock.sqlite'
const GENERATION = /^(\d{1,15})\.sqlite$/

/**
 * The folder of a read model: files `<generation>.sqlite`, and a pointer to the live one. A file is never renamed,
 * because SQLite finds the write-ahead log of a file by its name.
 */
export class Generations {
  readonly #dir: string

  constructor(dir: string) {
    this.#dir = dir
  }

  /** Path of the live file; undefined where there has been none, or the pointer is of no use. */
  current(): string | undefined {
    try {
      const name = readFileSync(join(this.#dir, POINTER), 'utf8').trim()
      return GENERATION.test(name) ? join(this.#dir, name) : undefined
    } catch (error) {
      if (isNoFile(error)) return undefined
      throw error
    }
  }

  /** Path of the file that is being built, here or by another process; undefined where none is. */
  unfinished(): string | undefined {
    const current = this.current()
    const names = existsSync(this.#dir) ? readdirSync(this.#dir) : []
    const newest = Math.max(...numbersOf(names), ...numbersOf([basename(current ?? '')]), 0)
    const file = join(this.#dir, `${newest}.sqlite`)
    // What a build that was killed has left is nobody's.
    return newest > 0 && file !== current && this.#isLocked() ? file : undefined
  }

  /**
   * The right to make files and to move the pointer. Ends with the process at the latest. Makes the folder.
   *
   * @throws {RebuildInProgress} another process has it, or another part of this one.
   */
  lock(): GenerationsLock {
    mkdirSync(this.#dir, { recursive: true })
    const file = join(this.#dir, LOCK)
    const lock = new Database(file, { timeout: 0 })
    try {
      lock.exec('BEGIN EXCLUSIVE')
    } catch (error) {
      lock.close()
      // Nobody can hold it. The next to ask for it makes a new one.
      if (isCorruption(error)) removeFile(file)
      throw isBusy(error) ? new RebuildInProgress(this.#dir) : error
    }
    return {
      newFile: () => join(this.#dir, `${this.#newNumber()}.sqlite`),
      makeCurrent: (file) => this.#point(basename(file)),
      removeUnused: () => this.#removeUnused(),
      release: () => {
        lock.close()
      },
    }
  }

  #isLocked(): boolean {
    const file = join(this.#dir, LOCK)
    if (!existsSync(file)) return false
    const lock = new Database(file, { readonly: true, timeout: 0 })
    try {
      lock.pragma('schema_version')
      return false
    } catch (error) {
      return isBusy(error)
    } finally {
      lock.close()
    }
  }

  #point(name: string): void {
    const draft = join(this.#dir, `${POINTER}.new`)
    writeFileSync(draft, `${name}\n`, { flush: true })
    failpoint('rebuild.pointer-drafted')
    const pointer = join(this.#dir, POINTER)
    if (statSync(pointer, { throwIfNoEntry: false })?.isDirectory()) rmSync(pointer, { recursive: true })
    renameSync(draft, pointer)
    syncToDisk(this.#dir)
  }

  #removeUnused(): void {
    const current = this.current()
    for (const number of this.#numbers()) {
      const file = join(this.#dir, `${number}.sqlite`)
      if (file !== current && !isOpenSomewhere(file)) removeFile(file)
    }
  }

  /** From the clock, because the files before may be gone; and above theirs, because the clock may be set back. */
  #newNumber(): number {
    const known = numbersOf([...readdirSync(this.#dir), basename(this.current() ?? '')])
    return Math.max(Date.now(), ...known.map((number) => number + 1))
  }

  #numbers(): number[] {
    return numbersOf(readdirSync(this.#dir))
  }
}

export interface GenerationsLock {
  /** A path that no file has or ever had: what is known of a path, and a pointer left behind, stay true. */
  newFile(): string
  /** Makes a file the live one, durably and at once. What is in it must be on disk already. */
  makeCurrent(file: string): void
  /** Removes what crashes and earlier generations have left, except for files that a process has open. */
  removeUnused(): void
  release(): void
}

function numbersOf(names: readonly string[]): number[] {
  return names.flatMap((name) => GENERATION.exec(name)?.[1] ?? []).map(Number)
}

export function removeFile(file: string): void {
  for (const suffix of ['', '-wal', '-shm', '-journal']) rmSync(`${file}${suffix}`, { recursive: true, force: true })
}

/** Not for a file that this process has open in SQLite: closing it here would drop SQLite's locks on it. */
export function syncToDisk(path: string): void {
  const descriptor = openSync(path, 'r')
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

/** A file leaves WAL mode only for a connection that is its only one. */
function isOpenSomewhere(file: string): boolean {
  if (!statSync(file, { throwIfNoEntry: false })?.isFile()) return false
  const db = new Database(file, { timeout: 0 })
  try {
    db.pragma('journal_mode = DELETE')
    return false
  } catch (error) {
    return isBusy(error)
  } finally {
    db.close()
  }
}

function isBusy(error: unknown): boolean {
  return error instanceof Database.SqliteError && error.code.startsWith('SQLITE_BUSY')
}

function isNoFile(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'EISDIR')
}

/** Another process, or another part of this one, is building a read model in the same folder. */
export class RebuildInProgress extends Error {
  override readonly name = 'RebuildInProgress'
  readonly dir: string

  constructor(dir: string) {
    super(`a read model is being built in ${dir} already`)
    this.dir = dir
  }
}
