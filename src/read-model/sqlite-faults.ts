import Database from 'better-sqlite3'

/** Disk full, I/O error, locked: what may be over when it is tried again. */
export function isPassing(error: unknown): boolean {
  return hasCode(error, /^SQLITE_(FULL|IOERR|BUSY|CANTOPEN|NOMEM|READONLY)/)
}

/** The file may not be written, or the file system; or the file was moved away while it was open. */
export function isReadOnly(error: unknown): boolean {
  return hasCode(error, /^SQLITE_READONLY/)
}

/** The file is damaged: only a replay of the log helps. */
export function isCorruption(error: unknown): boolean {
  return hasCode(error, /^SQLITE_(CORRUPT|NOTADB)/)
}

/** The file or the disk is at fault, and not the values that were to be written. */
export function isOfTheFile(error: unknown): boolean {
  return error instanceof Database.SqliteError && !hasCode(error, /^SQLITE_(CONSTRAINT|MISMATCH|TOOBIG)/)
}

function hasCode(error: unknown, pattern: RegExp): boolean {
  return error instanceof Database.SqliteError && pattern.test(error.code)
}
