import type { Position } from '../cqrs/event.ts'
import type { LastEvent } from './apply.ts'
import { type ParkedEvent, prepareExplorer } from './explorer.ts'
import { checkpointOf, openFile, UnusableFile } from './file.ts'
import { Generations } from './generations.ts'
import type { Projection, ReadModelDatabase } from './projection.ts'

/** Most parked events that are listed. All are counted. */
const LISTED = 20

export interface Inspection<T> {
  readonly file: string
  readonly position: Position
  /** Undefined where none was applied or parked. */
  readonly lastEvent: LastEvent | undefined
  readonly parkedCount: number
  /** The first of them. */
  readonly parked: readonly ParkedEvent[]
  readonly value: T
}

/**
 * What the live file holds, and what `read` makes of it, whether a service runs or not.
 *
 * @throws {UnusableFile} there is no live file that could be served.
 */
export function inspect<T>(
  dir: string,
  projections: readonly Projection[],
  read: (db: ReadModelDatabase) => T,
): Inspection<T> {
  const file = new Generations(dir).current()
  if (file === undefined) throw new UnusableFile(dir, 'nothing has been built there')
  const db = openFile(file, projections, { readonly: true })
  try {
    return db.$client.transaction(() => {
      const explorer = prepareExplorer(db, projections)
      const parked = explorer.parked(-1, LISTED)
      const parkedCount = explorer.parkedCount()
      const { position = 0, lastEvent } = checkpointOf(db)
      return { file, position, lastEvent, parkedCount, parked, value: read(db) }
    })()
  } finally {
    db.$client.close()
  }
}
