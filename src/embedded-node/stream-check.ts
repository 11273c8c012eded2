import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Database } from 'better-sqlite3'
import {
  firstReadable,
  isMetastream,
  METASTREAM_METADATA,
  metastreamOf,
  NO_METADATA,
  parseMetadata,
} from './metadata.ts'

/** 2^63−1, the revision of a tombstone. */
const TOMBSTONE = '9223372036854775807'

interface Extent {
  readonly stream: string
  readonly events: number
  readonly first: number
  readonly last: number
}

interface Known {
  /** The lowest revision that must be there. */
  readonly from: number
  /** Whether all revisions before the first one that is there may have been removed, wherever that is. */
  readonly mayBeginLater: boolean
  /** Whether any revision may have been removed: those of an expired event, whatever the clock said. */
  readonly mayMissAny: boolean
}

/**
 * Whether each stream has every revision up to its last. Events may be missing where metadata makes them unreadable, as a
 * scavenge removes those; the metadata of then need not be the metadata of now, so where the log was ever scavenged
 * a stream may begin at any revision, and may have no hole. A tombstoned stream may have lost all its events.
 *
 * Gives the number of streams seen so far, now and then and at the end.
 */
export async function* checkStreams(database: Database, report: (damage: string) => void): AsyncGenerator<number> {
  const wasScavenged = database.prepare("SELECT 1 FROM event WHERE stream = '$scavenges' LIMIT 1").get() !== undefined
  const extents = database.prepare<[], Extent & { isTombstoned: number }>(EXTENTS).iterate()
  let streams = 0
  for (const extent of extents) {
    streams++
    if (extent.isTombstoned === 0 && !isComplete(extent)) {
      const missing = missingRevisions(database, extent, wasScavenged)
      if (missing !== undefined) report(`${missing} of ${JSON.stringify(extent.stream)} are missing`)
    }
    if (streams % 10_000 === 0) {
      yield streams
      await nextTurn()
    }
  }
  yield streams
}

/** From the index alone, in its order: no memory for the groups. */
const EXTENTS = `
  SELECT stream, count(*) AS events, min(revision) AS first, max(revision) AS last,
         max(revision) = ${TOMBSTONE} AS isTombstoned
  FROM event GROUP BY stream`

const isComplete = ({ events, first, last }: Extent): boolean => first === 0 && events === last + 1

function missingRevisions(database: Database, extent: Extent, wasScavenged: boolean): string | undefined {
  const { stream, last } = extent
  const { from, mayBeginLater, mayMissAny } = knownOf(database, extent, wasScavenged)
  if (mayMissAny || from > last) return undefined
  const first = Number(
    database.prepare('SELECT min(revision) FROM event WHERE stream = ? AND revision >= ?').pluck().get(stream, from),
  )
  if (first > from && !mayBeginLater) return `revisions ${from} to ${first - 1}`
  const hole = database.prepare<[string, number], { before: number; behind: number }>(FIRST_HOLE).get(stream, first)
  return hole === undefined ? undefined : `revisions ${hole.before + 1} to ${hole.behind - 1}`
}

const FIRST_HOLE = `
  SELECT before, behind FROM (
    SELECT revision AS before, lead(revision) OVER (ORDER BY revision) AS behind
    FROM event WHERE stream = ? AND revision >= ?
  ) WHERE behind > before + 1 LIMIT 1`

function knownOf(database: Database, { stream, last }: Extent, wasScavenged: boolean): Known {
  const metadata = isMetastream(stream) ? METASTREAM_METADATA : readMetadata(database, stream)
  return {
    from: firstReadable(metadata, last),
    mayBeginLater: wasScavenged,
    mayMissAny: metadata.maxAge !== undefined,
  }
}

function readMetadata(database: Database, stream: string) {
  const sql = `SELECT data FROM event WHERE stream = ? AND json = 1 AND revision < ${TOMBSTONE} ORDER BY revision DESC LIMIT 1`
  const data = database.prepare<[string], Buffer>(sql).pluck().get(metastreamOf(stream))
  return data === undefined ? NO_METADATA : parseMetadata(data)
}
