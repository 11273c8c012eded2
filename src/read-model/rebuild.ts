import type { Position } from '../cqrs/event.ts'
import type { EventLog } from '../cqrs/event-store.ts'
import { isInLog } from './apply.ts'
import { BulkWriter } from './bulk-writer.ts'
import { failpoint } from './failpoint.ts'
import { checkpointOf, createFile, openFile, UnusableFile } from './file.ts'
import { Generations, type GenerationsLock, removeFile, syncToDisk } from './generations.ts'
import { type Projection, type ReadModelDatabase, streamPrefixesOf } from './projection.ts'
import { type ReplayOptions, replay } from './replay.ts'
import { ReadModelWriter } from './writer.ts'

export interface RebuildOptions extends ReplayOptions {
  /** Folder of the files; made where it is missing. */
  readonly dir: string
}

export interface Rebuilt {
  /** The file that is live now. */
  readonly file: string
  readonly events: number
  readonly position: Position
}

/**
 * Replays the log into a new file, verifies it, and makes it the live one. A service that runs on the folder takes it
 * up by itself. What is live never becomes older: the new file is followed up until it has every event that the old
 * one has, and the old one takes no writes while they are swapped. Killed at any time, it has changed nothing, or
 * all; what it leaves is removed by the next one to build here.
 *
 * @throws {RebuildInProgress}
 * @throws {PoisonEvent} an event cannot be applied: nothing is parked, and the old file stays.
 * @throws {InvalidRebuild} what came out is no sound file: the old one stays.
 * @throws {StoreUnavailable} the log was lost on the way.
 * @throws the reason of the signal, where it is aborted.
 */
export async function rebuild(options: RebuildOptions): Promise<Rebuilt> {
  const generations = new Generations(options.dir)
  const lock = generations.lock()
  const file = lock.newFile()
  try {
    lock.removeUnused()
    const events = await fill(file, options)
    const db = openFile(file, options.projections)
    try {
      const position = await swapIn(db, generations, lock, options)
      return { file, events, position }
    } finally {
      db.$client.close()
    }
  } catch (error) {
    if (generations.current() !== file) removeFile(file)
    throw error
  } finally {
    lock.removeUnused()
    lock.release()
  }
}

/** A verified file of the log as it is now, on disk. */
async function fill(file: string, options: RebuildOptions): Promise<number> {
  const db = createFile(file, options.projections)
  try {
    // Nothing to fall back to is needed before the file is whole: if the process dies, it starts anew.
    db.$client.pragma('journal_mode = OFF')
    db.$client.pragma('synchronous = OFF')
    const writer = new BulkWriter(db, options.projections)
    const events = await replay(options, (batch) => writer.write(batch))
    writer.commit()
    verifyFile(db, options.projections)
    db.$client.pragma('journal_mode = WAL')
    return events
  } finally {
    db.$client.close()
    syncToDisk(file)
  }
}

function verifyFile(db: ReadModelDatabase, projections: readonly Projection[]): void {
  const findings = db.$client.prepare<[], string>('PRAGMA integrity_check').pluck().all()
  if (findings.join() !== 'ok') throw new InvalidRebuild(findings.join('; '))
  for (const projection of projections) {
    try {
      projection.check(db)
    } catch (error) {
      throw new InvalidRebuild(error instanceof Error ? error.message : String(error), { cause: error })
    }
  }
}

/** Follows the log until the file has all that the live one has, and makes it the live one. */
async function swapIn(
  db: ReadModelDatabase,
  generations: Generations,
  lock: GenerationsLock,
  { log, projections, signal }: RebuildOptions,
): Promise<Position> {
  const stop = new AbortController()
  const writer = new ReadModelWriter(db, projections, 'throw')
  const mayGoBack = await isOfAnotherLog(generations, projections, log)
  const subscription = log.subscribe({
    after: writer.position,
    streamPrefixes: streamPrefixesOf(projections),
    signal: signal ? AbortSignal.any([signal, stop.signal]) : stop.signal,
    maxBatch: 500,
  })
  // The last transactions before the swap must not be lost with the power.
  db.$client.pragma('synchronous = FULL')
  for await (const batch of subscription) {
    writer.write(batch)
    if (batch.caughtUp && trySwap()) break
  }
  stop.abort()
  signal?.throwIfAborted()
  return writer.position ?? 0

  /** Takes some milliseconds, in which the projector of the live file waits. */
  function trySwap(): boolean {
    const live = openLive(generations, projections)
    try {
      live?.$client.exec('BEGIN IMMEDIATE')
      const { position = 0, lastEvent } = live && !mayGoBack ? checkpointOf(live) : {}
      if ((lastEvent?.position ?? 0) > (writer.lastEvent?.position ?? 0)) return false
      // Up to there, no event is in the live file that is not in this one.
      writer.write({ events: [], position, caughtUp: true })
      failpoint('rebuild.before-swap')
      lock.makeCurrent(db.$client.name)
      failpoint('rebuild.after-swap')
      return true
    } finally {
      live?.$client.close()
    }
  }
}

async function isOfAnotherLog(
  generations: Generations,
  projections: readonly Projection[],
  log: EventLog,
): Promise<boolean> {
  const live = openLive(generations, projections)
  if (!live) return false
  const { lastEvent } = checkpointOf(live)
  live.$client.close()
  return lastEvent !== undefined && !(await isInLog(log, lastEvent))
}

/** Undefined where there is none that could be served. */
function openLive(generations: Generations, projections: readonly Projection[]): ReadModelDatabase | undefined {
  const file = generations.current()
  if (file === undefined) return undefined
  try {
    return openFile(file, projections)
  } catch (error) {
    if (error instanceof UnusableFile) return undefined
    throw error
  }
}

/** What was built is not sound. */
export class InvalidRebuild extends Error {
  override readonly name = 'InvalidRebuild'

  constructor(reason: string, options?: ErrorOptions) {
    super(`the rebuilt read model is not sound: ${reason}`, options)
  }
}
