import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Database } from 'better-sqlite3'
import { CorruptLog } from './errors.ts'
import { matchesChecksum } from './log.ts'
import { isCorruption } from './log-file.ts'
import { type LogSnapshot, openSnapshot, unlessReplaced } from './log-snapshot.ts'
import type { Row } from './log-statements.ts'
import { isMetadataDocument } from './metadata.ts'
import { checkStreams } from './stream-check.ts'
import { checkWriteAheadLogInUse } from './wal-check.ts'

export interface LogCheck {
  /** Of the snapshot that was checked; as far as they could be read. */
  readonly events: number
  readonly streams: number
  /** The newest one that an event or an empty append has taken. */
  readonly lastPosition: number
  /** What is not as it was written: the log needs its backup. At most {@link LISTED}. */
  readonly damages: readonly string[]
  readonly damageCount: number
  /** What deserves a look, and harms nobody. At most {@link LISTED}. */
  readonly warnings: readonly string[]
  readonly warningCount: number
}

export interface CheckOptions {
  /** Whether a node may be in the middle of a commit, which looks like one that was cut off. */
  readonly isLive: boolean
  /** Called about 10 times a second while records are read. `fraction` is from 0 to 1. */
  readonly onProgress?: (progress: { events: number; fraction: number }) => void
  readonly signal?: AbortSignal
}

/** Most damages, and most warnings, that are kept. */
const LISTED = 100

/**
 * Reads everything in a log, or in a backup of one: frames of the write-ahead log, pages and index (SQLite's
 * integrity_check), the checksum of every record, positions, and whether the revisions of each stream are complete but for
 * what its metadata or a scavenge accounts for. Memory stays constant, and no byte is changed. What it finds is returned,
 * not thrown.
 *
 * An event that was deleted with SQL from the end of its stream cannot be told from an empty append, which takes a
 * position, too.
 *
 * @throws UnknownLogFormat, the reason of the signal, and errors of the file system, such as a file that is missing.
 */
export function checkLog(file: string, options: CheckOptions): Promise<LogCheck> {
  return unlessReplaced(
    file,
    () => checkOnce(file, options),
    ({ damageCount }) => damageCount === 0,
  )
}

async function checkOnce(file: string, { isLive, onProgress, signal }: CheckOptions): Promise<LogCheck> {
  const [damages, warnings] = [new Findings(), new Findings()]
  const counts = { events: 0, streams: 0, lastPosition: 0 }
  const guarded = async (check: () => void | Promise<void>): Promise<void> => {
    try {
      await check()
    } catch (error) {
      if (error instanceof CorruptLog) damages.add(`${error.file}: ${error.detail}`)
      else if (isCorruption(error)) damages.add(`SQLite cannot read all of the file: ${error.message}`)
      else throw error
    }
  }
  await guarded(async () => {
    const end = await checkWriteAheadLogInUse(`${file}-wal`)
    if (end === 'torn' && !isLive) {
      warnings.add('the write-ahead log ends in a part of a transaction, as after a crash in the middle of a commit')
    }
  })
  let snapshot: LogSnapshot | undefined
  try {
    await guarded(() => {
      snapshot = openSnapshot(file)
    })
    const database = snapshot?.database
    if (database !== undefined) {
      await guarded(() => checkPages(database, damages))
      await guarded(async () => {
        counts.lastPosition = checkLastPosition(database, damages)
        for await (const events of checkRecords(database, counts.lastPosition, damages, warnings)) {
          signal?.throwIfAborted()
          counts.events = events
          onProgress?.({ events, fraction: Math.min(0.99, events / Math.max(counts.lastPosition, 1)) })
        }
      })
      await guarded(async () => {
        for await (const streams of checkStreams(database, (damage) => damages.add(damage))) {
          signal?.throwIfAborted()
          counts.streams = streams
        }
      })
    }
  } finally {
    snapshot?.close()
  }
  onProgress?.({ events: counts.events, fraction: 1 })
  return {
    ...counts,
    ...{ damages: damages.listed, damageCount: damages.count },
    ...{ warnings: warnings.listed, warningCount: warnings.count },
  }
}

class Findings {
  readonly listed: string[] = []
  count = 0

  add(finding: string): void {
    this.count++
    if (this.listed.length < LISTED) this.listed.push(finding)
  }
}

function checkPages(database: Database, damages: Findings): void {
  for (const line of database.prepare<[], string>('PRAGMA integrity_check').pluck().iterate()) {
    if (line !== 'ok') damages.add(`SQLite's integrity check: ${line.replace(/^\*\*\* in database main \*\*\*\n/, '')}`)
  }
}

function checkLastPosition(database: Database, damages: Findings): number {
  const taken = database.prepare<[], number>('SELECT position FROM position_taken').pluck().all()
  if (taken.length !== 1) damages.add(`the table position_taken has ${taken.length} rows instead of one`)
  return (
    database
      .prepare<[number], number>('SELECT max(?, coalesce((SELECT max(position) FROM event), 0))')
      .pluck()
      .get(taken[0] ?? 0) ?? 0
  )
}

/** Gives the number of events read so far, now and then and at the end. */
async function* checkRecords(
  database: Database,
  lastPosition: number,
  damages: Findings,
  warnings: Findings,
): AsyncGenerator<number> {
  const rows = database.prepare<[], Row>('SELECT * FROM event ORDER BY position').iterate()
  let events = 0
  let previous = 0
  let reported = performance.now()
  for (const row of rows) {
    const { position, stream, type, data } = row
    if (position <= previous || position > lastPosition) {
      damages.add(`position ${position} comes behind position ${previous}, and the last one is ${lastPosition}`)
      break
    }
    if (!matchesChecksum(row)) damages.add(`${nameOf(row)} does not match its checksum`)
    else if (type === '$metadata' && stream.startsWith('$$') && !isMetadataDocument(data)) {
      warnings.add(`${nameOf(row)} is no metadata that a server can read: it counts as none`)
    }
    previous = position
    events++
    if (events % 1_000 === 0 && performance.now() - reported > REPORT) {
      yield events
      await nextTurn()
      reported = performance.now()
    }
  }
  yield events
}

const nameOf = ({ position, revision, stream }: Row): string =>
  `the event at position ${position}, revision ${revision} of ${JSON.stringify(stream)},`

/** Time between two reports of progress, in milliseconds. */
const REPORT = 100
