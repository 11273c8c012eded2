import { setTimeout } from 'node:timers/promises'
import type { Logger } from 'pino'
import { correlationIdOf } from '../cqrs/correlation.ts'
import type { Position, RecordedEvent } from '../cqrs/event.ts'
import { type EventLog, type LogBatch, StoreUnavailable } from '../cqrs/event-store.ts'
import { isInLog, type LastEvent } from './apply.ts'
import { isCorruption, isPassing } from './sqlite-faults.ts'
import type { ReadModelWriter } from './writer.ts'

/** Most events in one transaction: what a query may have to wait for. */
const MAX_BATCH = 500

/** Bounds of the wait before the log is subscribed to again, in milliseconds. */
const FIRST_WAIT = 50
const LONGEST_WAIT = 5_000

export interface ProjectorStatus {
  /**
   * `replaying`: applying what was in the log before it came; `live`: applying events as they happen; `reconnecting`:
   * trying again, for ever, after `error`; `failed`: stopped by `error` for good.
   */
  readonly state: 'replaying' | 'live' | 'reconnecting' | 'failed'
  /** The checkpoint: 0 where nothing has been applied. */
  readonly position: Position
  /** Events received and not applied. Undefined while not live: how many there are to come is not known. */
  readonly lag: number | undefined
  /** Since the projector last applied something; 0 while it is live and has applied all that it has received. */
  readonly millisecondsWithoutProgress: number
  /** Number of parked events. */
  readonly parked: number
  readonly error?: Error
}

export interface ProjectorOptions {
  readonly log: EventLog
  readonly writer: ReadModelWriter
  readonly streamPrefixes: readonly string[]
  readonly logger: Logger
  /** Called after each commit and each change of state. */
  readonly onProgress: () => void
  /** Called after each batch with events that came once the subscription had caught up. */
  readonly onApplied?: (batch: AppliedBatch) => void
}

/** Events that were applied in one transaction, or were not because of `error`. */
export interface AppliedBatch {
  readonly events: readonly RecordedEvent[]
  /** Those of them that could not be applied and were put aside. */
  readonly parked: ReadonlySet<RecordedEvent>
  readonly error?: unknown
  /** When that began, by the monotonic clock. */
  readonly started: number
}

/**
 * Feeds the log into a file from its checkpoint on, for as long as it is not stopped. Every event is applied once,
 * in log order. Events that were parked are tried again whenever it subscribes.
 */
export class Projector {
  readonly #options: ProjectorOptions
  readonly #stop = new AbortController()
  readonly #done: Promise<void>
  #state: ProjectorStatus['state'] = 'replaying'
  #error: Error | undefined
  #received = 0
  #failures = 0
  #lastProgress = performance.now()

  constructor(options: ProjectorOptions) {
    this.#options = options
    this.#done = this.#run()
  }

  status(): ProjectorStatus {
    const { writer } = this.#options
    const isCurrent = this.#state === 'live' && this.#received === 0
    return {
      state: this.#state,
      position: writer.position ?? 0,
      lag: this.#state === 'live' ? this.#received : undefined,
      millisecondsWithoutProgress: isCurrent ? 0 : Math.round(performance.now() - this.#lastProgress),
      parked: writer.parked,
      ...(this.#error && { error: this.#error }),
    }
  }

  /**
   * Tries the parked events again, between two batches, and returns how many are applied now.
   *
   * @throws {ProjectorFenced} another projector has taken the file over.
   * @throws {Database.SqliteError} the file cannot be written; nothing of it is.
   */
  replayParked(): number {
    const { writer, logger, onProgress } = this.#options
    const before = writer.parked
    writer.replayParked()
    const applied = before - writer.parked
    logger.info({ applied, parked: writer.parked }, 'parked events were tried again')
    if (applied > 0) onProgress()
    return applied
  }

  /** Resolves when the last transaction is over. */
  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#done
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      try {
        await this.#follow(signal)
      } catch (error) {
        if (signal.aborted) return
        this.#failed(error instanceof Error ? error : new Error(String(error)))
        if (this.#state === 'failed') return
        await setTimeout(waitAfter(this.#failures), undefined, { signal }).catch(() => undefined)
      }
    }
  }

  async #follow(signal: AbortSignal): Promise<void> {
    const { log, writer, streamPrefixes } = this.#options
    const after = await this.#resumeAfter()
    writer.replayParked()
    let hasCaughtUp = false
    for await (const batch of log.subscribe({ after, streamPrefixes, signal, maxBatch: MAX_BATCH })) {
      if (signal.aborted) return
      this.#apply(batch, hasCaughtUp)
      hasCaughtUp ||= batch.caughtUp
    }
  }

  #apply(batch: LogBatch, isNew: boolean): void {
    const { writer, onProgress, logger } = this.#options
    const parked = writer.parked
    this.#received = batch.events.length
    if (isNew && batch.events.length > 0) this.#writeNew(batch)
    else writer.write(batch)
    this.#received = 0
    this.#failures = 0
    this.#lastProgress = performance.now()
    if (writer.parked > parked) logger.error(this.#parkedFacts(batch), 'events were parked that cannot be applied')
    const state = batch.caughtUp ? 'live' : 'replaying'
    if (state !== this.#state) logger.info({ position: writer.position }, `projector is ${state}`)
    this.#state = state
    this.#error = undefined
    onProgress()
  }

  /** Of the first of them, because there may be hundreds. */
  #parkedFacts({ events }: LogBatch): object {
    const { writer } = this.#options
    const { event, reason } = writer.firstParked(events) ?? {}
    const { id, type, position, stream } = event ?? {}
    const correlationId = event && correlationIdOf(event)
    return { parked: writer.parked, event: id, type, position, stream, correlationId, reason }
  }

  #writeNew(batch: LogBatch): void {
    const { writer, onApplied } = this.#options
    const { events } = batch
    const started = performance.now()
    let parked: readonly RecordedEvent[]
    try {
      parked = writer.write(batch)
    } catch (error) {
      onApplied?.({ events, parked: new Set(), error, started })
      throw error
    }
    onApplied?.({ events, parked: new Set(parked), started })
  }

  /**
   * Where to go on. The log may end before the checkpoint, because a checkpoint counts records that the store does
   * not show; but the last event that has been applied must still be there.
   *
   * @throws {StoreReplaced}
   */
  async #resumeAfter(): Promise<Position | undefined> {
    const { log, writer } = this.#options
    if (writer.position === undefined) return undefined
    const { lastEvent } = writer
    if (lastEvent && !(await isInLog(log, lastEvent))) throw new StoreReplaced(lastEvent)
    const end = await log.lastPosition()
    return end === undefined ? undefined : Math.min(writer.position, end)
  }

  #failed(error: Error): void {
    const { logger, onProgress, writer } = this.#options
    const willPass = error instanceof StoreUnavailable || isPassing(error)
    this.#state = willPass ? 'reconnecting' : 'failed'
    this.#error = error
    this.#failures++
    // Who has the file tells of one that is corrupt, and of what becomes of it.
    if (!willPass && !isCorruption(error))
      logger.error({ err: error, position: writer.position }, 'projector has failed')
    if (willPass && this.#failures === 1)
      logger.warn({ err: error, position: writer.position }, 'projector is interrupted')
    onProgress()
  }
}

/** Doubled after each failure in a row, and drawn at random so that services do not come back all at once. */
function waitAfter(failures: number): number {
  return Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** (failures - 1)) * (0.5 + Math.random() / 2)
}

/** The log has not the last event that was applied: it was restored from a backup, or is another log. */
export class StoreReplaced extends Error {
  override readonly name = 'StoreReplaced'
  readonly lastEvent: LastEvent

  constructor(lastEvent: LastEvent) {
    super(
      `the event store has no event ${lastEvent.id} at position ${lastEvent.position}, but the read model has: ` +
        'the store was restored or replaced. Rebuild the read model to make it follow this store.',
    )
    this.lastEvent = lastEvent
  }
}
