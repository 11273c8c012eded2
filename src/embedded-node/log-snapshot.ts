import { statSync } from 'node:fs'
import Database from 'better-sqlite3'
import { checkFormat } from './log-file.ts'

/** The log as it was when it was opened, whatever a node goes on writing to it. */
export interface LogSnapshot {
  /** In one read transaction. Nothing can be written with it. */
  readonly database: Database.Database
  close(): void
}

/**
 * Opens a log, or a backup of one, whether or not a node runs on it. A node is not kept from writing; only what it writes
 * stays in its write-ahead log until the snapshot is closed.
 *
 * @throws UnknownLogFormat, CorruptLog, and errors of SQLite and the file system
 */
export function openSnapshot(file: string): LogSnapshot {
  checkFormat(file)
  const hadWriteAheadLog = sizeOf(`${file}-wal`) > 0
  const database = new Database(file, { readonly: true, fileMustExist: true })
  const close = (): void => {
    database.close()
    if (!hadWriteAheadLog && sizeOf(`${file}-wal`) === 0) removeTraces(file)
  }
  try {
    database.pragma('cache_size = -16384')
    database.exec('BEGIN')
    database.prepare('SELECT count(*) FROM sqlite_schema').get()
    return { database, close }
  } catch (error) {
    close()
    const isUnfinished = error instanceof Database.SqliteError && error.code === 'SQLITE_READONLY_ROLLBACK'
    throw isUnfinished
      ? new Error(`${file}-journal is left of a crash: start the node once, which takes it back`)
      : error
  }
}

/**
 * Reads a log again, a few times, where a node has put another file in its place meanwhile, as a scavenge does: what was
 * read then may be of two files, and look like damage.
 *
 * @param isSound whether what was read needs no second look
 */
export async function unlessReplaced<T>(
  file: string,
  read: () => Promise<T>,
  isSound: (result: T) => boolean,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    const before = identityOf(file)
    const isReplaced = (): boolean => attempt < ATTEMPTS && identityOf(file) !== before
    try {
      const result = await read()
      if (isSound(result) || !isReplaced()) return result
    } catch (error) {
      if (!isReplaced()) throw error
    }
  }
}

const ATTEMPTS = 5

const identityOf = (file: string): number | undefined => statSync(file, { throwIfNoEntry: false })?.ino

/**
 * A connection that only reads makes an empty write-ahead log where there is none, and leaves it. One that may write
 * removes it when it is the last; it has nothing to write.
 */
function removeTraces(file: string): void {
  try {
    const database = new Database(file, { timeout: 0, fileMustExist: true })
    database.pragma('schema_version')
    database.close()
  } catch {
    // An empty file is left, which means nothing.
  }
}

const sizeOf = (file: string): number => statSync(file, { throwIfNoEntry: false })?.size ?? 0
