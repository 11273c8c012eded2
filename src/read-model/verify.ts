import type { Position } from '../cqrs/event.ts'
import { isInLog } from './apply.ts'
import { compareTables, type Difference } from './compare.ts'
import { checkpointOf, createFile, openFile, UnusableFile } from './file.ts'
import { Generations } from './generations.ts'
import { StoreReplaced } from './projector.ts'
import { type ReplayOptions, replay } from './replay.ts'
import { ReadModelWriter } from './writer.ts'

export interface VerifyOptions extends ReplayOptions {
  readonly dir: string
}

export interface Verification {
  readonly file: string
  /** Both sides reflect the log up to here. */
  readonly position: Position
  readonly events: number
  /** How many there are. */
  readonly differenceCount: number
  /** The first of them. */
  readonly differences: readonly Difference[]
}

/**
 * Replays the log into a scratch database, up to the position of the live file, and compares every table of the
 * projections row by row. A service may go on writing: the live file is read as it was at the start. Events that
 * cannot be applied are parked, as in the live file.
 *
 * @throws {UnusableFile} there is no live file that could be served.
 * @throws {StoreReplaced} it was made from another log.
 * @throws {StoreUnavailable} the log was lost on the way.
 * @throws the reason of the signal, where it is aborted.
 */
export async function verify(options: VerifyOptions): Promise<Verification> {
  const file = new Generations(options.dir).current()
  if (file === undefined) throw new UnusableFile(options.dir, 'nothing has been built there')
  const live = openFile(file, options.projections, { readonly: true })
  // SQLite's own temporary database: it goes with its connection, however that ends.
  const scratch = createFile('', options.projections)
  try {
    live.$client.exec('BEGIN')
    const { position = 0, lastEvent } = checkpointOf(live)
    if (lastEvent && !(await isInLog(options.log, lastEvent))) throw new StoreReplaced(lastEvent)
    const writer = new ReadModelWriter(scratch, options.projections, 'park')
    const events =
      lastEvent === undefined ? 0 : await replay(options, (batch) => writer.write(batch), lastEvent.position)
    return { file, position, events, ...compareTables(live, scratch) }
  } finally {
    live.$client.close()
    scratch.$client.close()
  }
}
