import {
  accessSync,
  closeSync,
  constants,
  fsyncSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { readAddressFile } from './address.ts'
import { CorruptLog, LogClosed, LogInUse, LogNotWritable, UnknownLogFormat } from './errors.ts'
import { checkJournal } from './journal-check.ts'
import { checkWriteAheadLog } from './wal-check.ts'

/** "ESND" in the header of the file says that it is a log of this server. */
const APPLICATION_ID = 0x45534e44
const FORMAT = 1

/** Logs up to this size are checked as a whole when they are opened; larger ones where they are read. */
const CHECKED_WHOLE_BYTES = 64 * 1024 * 1024

const SCHEMA = `
  CREATE TABLE event (
    position INTEGER PRIMARY KEY,
    stream   TEXT    NOT NULL,
    revision INTEGER NOT NULL,
    type     TEXT    NOT NULL,
    id       BLOB    NOT NULL,
    json     INTEGER NOT NULL,
    created  INTEGER NOT NULL, -- microseconds since the Unix epoch
    checksum INTEGER NOT NULL, -- CRC-32 of the row, see log.ts
    metadata BLOB    NOT NULL,
    data     BLOB    NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX event_by_stream ON event (stream, revision);
  CREATE TABLE position_taken (position INTEGER NOT NULL) STRICT;
  INSERT INTO position_taken VALUES (0);
`

export interface LogFile {
  readonly path: string
  readonly database: Database.Database
  /**
   * Puts another file in the place of this one, and opens it. Throws where another process reads this one; then
   * everything is as it was.
   *
   * @throws LogClosed when neither can be opened; then all that is left to do is to close
   */
  replaceBy(draft: string): void
  /** Writes everything into the one file and gives up the lock. */
  close(): void
}

/**
 * Opens `<dataDir>/eventstore.sqlite` for this process alone, and makes both where they are missing.
 *
 * @throws LogInUse, UnknownLogFormat (the file stays as it is, byte for byte), CorruptLog, LogNotWritable
 */
export function openLogFile(dataDir: string): LogFile {
  const path = join(dataDir, 'eventstore.sqlite')
  try {
    mkdirSync(dataDir, { recursive: true })
    return openLocked(path, acquireLock(dataDir, path))
  } catch (error) {
    if (isCorruption(error)) throw new CorruptLog(path, error.message)
    const code = error instanceof Error && 'code' in error ? String(error.code) : ''
    throw error instanceof Error && isOfTheDisk(code) ? new LogNotWritable(path, code, error.message) : error
  }
}

/** Of what nobody but who has the disk and its rights can mend. */
const isOfTheDisk = (code: string): boolean =>
  /^(ENOSPC|EDQUOT|EROFS|EACCES|EPERM|SQLITE_(FULL|READONLY|CANTOPEN|IOERR_SHMSIZE))/.test(code)

/** Gives up the lock where it fails. */
function openLocked(path: string, lock: Database.Database): LogFile {
  try {
    rmSync(draftOf(path), { force: true })
    if (!hasLog(path)) createLog(path)
    checkFormat(path)
    checkWriteAheadLog(`${path}-wal`)
    checkJournal(path)
    rollBack(path)
    checkStructure(path)
    let database = openDatabase(path)
    return {
      path,
      get database() {
        return database
      },
      replaceBy: (draft) => {
        // Only the last connection can leave the write-ahead log, and takes it along: none can come to the new file.
        const mode = database.pragma('journal_mode = DELETE', { simple: true })
        if (mode !== 'delete') throw new Error(`${path} cannot be replaced: it is in journal mode ${mode}`)
        database.close()
        try {
          renameSync(draft, path)
          syncDirectoryOf(path)
        } finally {
          database = openAgain(path)
        }
      },
      close: () => {
        database.close()
        lock.close()
      },
    }
  } catch (error) {
    lock.close()
    throw error
  }
}

/** Whether SQLite says that the file is not what it should be. */
export function isCorruption(error: unknown): error is Error {
  return error instanceof Database.SqliteError && /^SQLITE_(CORRUPT|NOTADB)/.test(error.code)
}

/** SQLite's locks are the operating system's: they go when the process goes, however it goes. */
function acquireLock(dataDir: string, path: string): Database.Database {
  const file = join(dataDir, 'eventstore.lock')
  const lock = new Database(file, { timeout: 0 })
  try {
    checkWritable(file)
    lock.pragma('journal_mode = OFF')
    lock.exec('BEGIN EXCLUSIVE')
    return lock
  } catch (error) {
    lock.close()
    if (error instanceof Database.SqliteError && error.code.startsWith('SQLITE_BUSY')) {
      throw new LogInUse(path, readAddressFile(dataDir))
    }
    throw error
  }
}

/** SQLite opens a file that it may not write for reading, and then takes the lock of readers only, which keeps nobody out. */
function checkWritable(path: string): void {
  accessSync(path, constants.W_OK)
}

function hasLog(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined
}

/** A log is made under another name, so that a file under the right name is always complete. */
function createLog(path: string): void {
  const draft = draftOf(path)
  createLogFile(draft)
  renameSync(draft, path)
  syncDirectoryOf(path)
}

/** The name of a file that is to become the log. */
export const draftOf = (path: string): string => `${path}.new`

/** Makes an empty log; what had its name is gone. */
export function createLogFile(path: string): void {
  rmSync(path, { force: true })
  const database = new Database(path)
  database.pragma('synchronous = FULL')
  database.pragma('page_size = 8192')
  database.pragma(`application_id = ${APPLICATION_ID}`)
  database.pragma(`user_version = ${FORMAT}`)
  database.exec(SCHEMA)
  database.close()
}

function syncDirectoryOf(path: string): void {
  const directory = openSync(join(path, '..'), 'r')
  fsyncSync(directory)
  closeSync(directory)
}

/**
 * Reads the header (sqlite.org/fileformat.html#the_database_header) without SQLite, which may write to a file as soon
 * as it opens it. The fields were set before the file got its write-ahead log, so they are never only in there.
 */
export function checkFormat(path: string): void {
  const header = Buffer.alloc(100)
  const file = openSync(path, 'r')
  const length = readSync(file, header, 0, header.length, 0)
  closeSync(file)
  if (length < header.length || header.toString('latin1', 0, 16) !== 'SQLite format 3\0') {
    throw new CorruptLog(path, 'it does not begin with the header of an SQLite database')
  }
  const supported = `version ${FORMAT}`
  if (header.readUInt32BE(68) !== APPLICATION_ID) throw new UnknownLogFormat(path, 'of another program', supported)
  const found = header.readUInt32BE(60)
  if (found !== FORMAT) throw new UnknownLogFormat(path, `version ${found}`, supported)
  checkOrigin(path, header[18])
}

/**
 * SQLite would apply any write-ahead log that has the right name. A backup says in its header that it has none, so one
 * beside it is what is left of the log that was there before.
 */
function checkOrigin(path: string, writeVersion: number | undefined): void {
  const walBytes = statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0
  if (writeVersion !== ROLLBACK_JOURNAL || walBytes === 0) return
  throw new CorruptLog(`${path}-wal`, 'it belongs to another log than the file beside it, which was copied without one')
}

/** The write version of a file that no write-ahead log was ever used on. */
const ROLLBACK_JOURNAL = 1

/**
 * Changes of the journal mode are the only ones that go through a rollback journal. A crash in the middle of one leaves it,
 * and who only reads cannot take the change back.
 */
function rollBack(path: string): void {
  if (statSync(`${path}-journal`, { throwIfNoEntry: false }) === undefined) return
  const database = new Database(path, { timeout: 0, fileMustExist: true })
  try {
    database.pragma('schema_version')
  } finally {
    database.close()
  }
}

/** A connection that only reads leaves both files as they are, whatever it finds. */
function checkStructure(path: string): void {
  if (statSync(path).size > CHECKED_WHOLE_BYTES) return
  const database = new Database(path, { timeout: 0, readonly: true })
  try {
    const result = database.pragma('quick_check(1)', { simple: true })
    if (result !== 'ok') throw new CorruptLog(path, String(result))
  } catch (error) {
    throw isCorruption(error) ? new CorruptLog(path, error.message) : error
  } finally {
    database.close()
  }
}

function openAgain(path: string): Database.Database {
  try {
    return openDatabase(path)
  } catch (error) {
    throw new LogClosed(path, error)
  }
}

/** How long others who read the log may take to open or close it, in milliseconds. */
const OPENING_MS = 2_000

function openDatabase(path: string): Database.Database {
  checkWritable(path)
  const database = new Database(path, { timeout: OPENING_MS, fileMustExist: true })
  database.pragma('journal_mode = WAL')
  database.pragma('synchronous = FULL')
  database.pragma('wal_autocheckpoint = 4000')
  database.pragma('cache_size = -16384')
  database.pragma('trusted_schema = off')
  database.pragma('busy_timeout = 0')
  return database
}
