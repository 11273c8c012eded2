import type { Position } from '../cqrs/event.ts'
import { createFile, openFile, UnusableFile } from './file.ts'
import { Generation, type GenerationOptions } from './generation.ts'
import { Generations, type GenerationsLock, RebuildInProgress, removeFile } from './generations.ts'
import type { ReadModelDatabase } from './projection.ts'
import type { ProjectorStatus } from './projector.ts'
import { isCorruption, isPassing, isReadOnly } from './sqlite-faults.ts'
import { Waiters } from './waiters.ts'

/** How often the pointer to the live file is looked at, in milliseconds. */
const POLL = 200

/** How long a locked file is waited for, in milliseconds: nothing else is done meanwhile. It is tried again later. */
const LOCK_TIMEOUT = 100

export interface ReadModelOptions<Queries> extends GenerationOptions<Queries> {
  /** Folder of the files; made where it is missing. Belongs to one service. */
  readonly dir: string
}

export interface ReadModelStatus extends ProjectorStatus {
  /** Whether queries are answered. */
  readonly isServing: boolean
}

/**
 * The read model of a running service: a file, the projector that feeds it, and the queries over it. A file that is
 * missing, corrupt or of another schema version is built anew before queries are answered. A file that another
 * process has rebuilt is taken up while queries go on, as soon as it reflects all that they have shown.
 */
export class ReadModel<Queries> {
  readonly #options: ReadModelOptions<Queries>
  readonly #generations: Generations
  readonly #waiters = new Waiters()
  readonly #poll: NodeJS.Timeout
  /** What queries are answered from. */
  #served: Generation<Queries> | undefined
  /** What is to take its place when it has caught up. */
  #next: Generation<Queries> | undefined
  /** Held while `next` is being built here, and not by another process. */
  #lock: GenerationsLock | undefined
  /** The file that the pointer names, where it is of no use. */
  #unusable: string | undefined
  #trouble: Error | undefined
  readonly #retiring = new Set<Promise<void>>()

  /** Where the folder or a file in it cannot be made or opened, that is tried again for ever. */
  constructor(options: ReadModelOptions<Queries>) {
    this.#options = options
    this.#generations = new Generations(options.dir)
    this.#safely(() => this.#look())
    this.#safely(() => this.#tidy())
    this.#poll = setInterval(() => this.#safely(() => this.#look()), POLL)
  }

  /**
   * Answers from one state of the file, and says which position of the log that is. `read` is synchronous. The
   * position never decreases from one query to the next, unless the event store itself was replaced.
   *
   * @throws {ReadModelNotReady}
   */
  query<T>(read: (queries: Queries) => T): { value: T; position: Position } {
    return this.#use((served) => served.query(read))
  }

  /**
   * Tries the parked events again, those of each stream in log order, and returns how many are applied now. Nothing
   * else is done meanwhile.
   *
   * @throws {ReadModelNotReady}
   * @throws {ProjectorFenced} another process feeds the file.
   */
  replayParked(): number {
    return this.#use((served) => served.replayParked())
  }

  /**
   * Whether queries reflect a position, within so many milliseconds. False at once when the signal is aborted or the
   * read model is closed.
   */
  async reached(position: Position, timeoutMs: number, signal?: AbortSignal): Promise<boolean> {
    const served = this.#served
    if (served && !served.isOfAnotherLog && served.position >= position) return true
    return this.#waiters.wait(position, timeoutMs, signal)
  }

  status(): ReadModelStatus {
    const generation = this.#served ?? this.#next
    const isServing = this.#served !== undefined && !this.#served.isOfAnotherLog
    if (generation) return { ...generation.status(), isServing }
    return { ...NOTHING, isServing, ...(this.#trouble && { state: 'reconnecting', error: this.#trouble }) }
  }

  /** Resolves when the last transaction is over and the files are closed. */
  async close(): Promise<void> {
    clearInterval(this.#poll)
    this.#waiters.giveUp()
    if (this.#served) this.#retire(this.#served, false)
    if (this.#next) this.#retire(this.#next, this.#lock !== undefined)
    this.#served = undefined
    this.#next = undefined
    await Promise.all(this.#retiring)
    this.#lock?.release()
  }

  /** @throws {ReadModelNotReady} */
  #use<T>(action: (served: Generation<Queries>) => T): T {
    const served = this.#served
    if (!served || served.isOfAnotherLog) throw new ReadModelNotReady(this.status().error)
    try {
      return action(served)
    } catch (error) {
      if (isCorruption(error)) this.#drop(served, error)
      else if (!isPassing(error)) throw error
      throw new ReadModelNotReady(error)
    }
  }

  /** What fails now, because the disk is full say, is tried again at the next look. */
  #safely(step: () => void): void {
    try {
      step()
      this.#trouble = undefined
    } catch (error) {
      const trouble = error instanceof Error ? error : new Error(String(error))
      if (trouble.message !== this.#trouble?.message) {
        const { dir, logger } = this.#options
        logger.error({ err: error, dir }, 'read model cannot be built or opened: tried again until it can')
      }
      this.#trouble = trouble
    }
  }

  #look(): void {
    const current = this.#generations.current()
    const known = [this.#served?.file, this.#next?.file, this.#unusable]
    if (current !== undefined && !known.includes(current)) this.#takeUp(current)
    if (this.#served && this.#served.file !== this.#unusable && !this.#served.isIntact()) this.#lost(this.#served)
    if (!this.#next && (!this.#served || this.#served.file === this.#unusable)) this.#build()
    if (this.#served && !this.#served.isOfAnotherLog) this.#waiters.wake(this.#served.position)
    this.#switch()
  }

  #takeUp(file: string): void {
    try {
      this.#follow(openFile(file, this.#options.projections, { timeout: LOCK_TIMEOUT }))
    } catch (error) {
      if (isPassing(error) && !isReadOnly(error)) throw error
      this.#unusable = file
      const reason = error instanceof UnusableFile ? error.reason : String(error)
      const consequence = this.#served ? 'the one before it stays' : 'the log is replayed into a new one'
      this.#options.logger.warn({ file, reason }, `read model cannot be used: ${consequence}`)
    }
  }

  /** Unless another process is building: then the file that it makes is waited for. */
  #build(): void {
    const lock = this.#tryLock()
    if (!lock) return
    try {
      // Another process may have finished one just now.
      const current = this.#generations.current()
      if (current !== undefined && current !== this.#unusable) {
        lock.release()
        return
      }
      lock.removeUnused()
      this.#follow(createFile(lock.newFile(), this.#options.projections))
      this.#lock = lock
    } catch (error) {
      lock.release()
      throw error
    }
  }

  /** Removes what a crash has left. */
  #tidy(): void {
    const lock = this.#tryLock()
    lock?.removeUnused()
    lock?.release()
  }

  #follow(db: ReadModelDatabase): void {
    try {
      const generation: Generation<Queries> = new Generation(db, this.#options, () => this.#progressed(generation))
      if (this.#next) this.#retire(this.#next, true)
      this.#next = generation
    } catch (error) {
      db.$client.close()
      throw error
    }
  }

  #progressed(generation: Generation<Queries>): void {
    const { error } = generation.status()
    const isUsed = generation === this.#served || generation === this.#next
    if (isUsed && isCorruption(error)) this.#drop(generation, error)
    else if (generation === this.#served) this.#safely(() => this.#waiters.wake(generation.position))
    else if (generation === this.#next) this.#safely(() => this.#switch())
  }

  /** Serves what has caught up. What is replaced goes in the same tick: no query sees the one after the other. */
  #switch(): void {
    const next = this.#next
    if (!next) return
    if (this.#lock && next.status().state !== 'live') return
    if (this.#served && !this.#served.isOfAnotherLog && !next.catchUpWith(this.#served)) return
    if (this.#lock) {
      next.flush()
      this.#lock.makeCurrent(next.file)
      this.#lock.removeUnused()
      this.#lock.release()
      this.#lock = undefined
    }
    if (this.#served) this.#retire(this.#served, true)
    this.#served = next
    this.#next = undefined
    this.#unusable = undefined
    this.#options.logger.info({ file: next.file, position: next.position }, 'read model is served')
    this.#waiters.wake(next.position)
  }

  /** Its queries go on, from what the system keeps of it for this process. */
  #lost({ file }: Generation<Queries>): void {
    this.#unusable = file
    const consequence = 'the log is replayed into a new one'
    this.#options.logger.error({ file }, `read model was removed, replaced or cut under the service: ${consequence}`)
  }

  #drop(generation: Generation<Queries>, error: unknown): void {
    const { file } = generation
    // One that was cut has been told of, and is in use until the new one has caught up.
    if (file !== this.#unusable)
      this.#options.logger.error({ err: error, file }, 'read model is corrupt, the log is replayed into a new one')
    this.#unusable = file
    if (generation === this.#served) this.#served = undefined
    if (generation === this.#next) {
      this.#next = undefined
      this.#lock?.release()
      this.#lock = undefined
    }
    this.#retire(generation, false)
    this.#safely(() => this.#look())
  }

  #retire(generation: Generation<Queries>, remove: boolean): void {
    const { file } = generation
    const retiring = generation
      .close()
      .then(() => (remove ? removeFile(file) : undefined))
      .catch((error: unknown) => this.#options.logger.warn({ err: error, file }, 'read model was not put away'))
      .finally(() => this.#retiring.delete(retiring))
    this.#retiring.add(retiring)
  }

  #tryLock(): GenerationsLock | undefined {
    try {
      return this.#generations.lock()
    } catch (error) {
      if (error instanceof RebuildInProgress) return undefined
      throw error
    }
  }
}

const NOTHING = { state: 'replaying', position: 0, lag: undefined, millisecondsWithoutProgress: 0, parked: 0 } as const

/** Queries cannot be answered yet, because the log is still being replayed; or any more, because of the cause. */
export class ReadModelNotReady extends Error {
  override readonly name = 'ReadModelNotReady'

  constructor(cause: unknown) {
    const reason = cause instanceof Error ? cause.message : 'the log is being replayed'
    super(`the read model is not ready: ${reason}`, { cause })
  }
}
