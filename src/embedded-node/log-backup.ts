import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import Database from 'better-sqlite3'
import { CorruptLog } from './errors.ts'
import { checkLog, type LogCheck } from './log-check.ts'
import { openSnapshot, unlessReplaced } from './log-snapshot.ts'
import { checkWriteAheadLogInUse } from './wal-check.ts'

export interface BackupOptions {
  /** Called with the pages copied and then verified, each of which counts twice. `fraction` is from 0 to 1. */
  readonly onProgress?: (progress: { pages: number; fraction: number }) => void
  readonly signal?: AbortSignal
}

/** There is a file of the backup's name. It was not touched. */
export class BackupExists extends Error {
  override readonly name = 'BackupExists'
  readonly file: string

  constructor(file: string) {
    super(`${file} exists: a backup does not replace a file`)
    this.file = file
  }
}

/** Pages of 8 KiB copied before others get their turn. */
const PAGES = 512

/**
 * Copies a log into one new file, whether or not a node runs on it, and verifies the copy. It holds everything that was
 * acknowledged before the call, and nothing that was written after it began. The file appears under its name when it is
 * complete, verified and on the disk; until then it is `<target>.<pid>.part`, which only a kill leaves behind.
 *
 * SQLite starts a copy again whenever another process has written, but for one from a read transaction: that sees no
 * writes, so one pass is enough. Meanwhile the node's write-ahead log grows by what is appended.
 *
 * @throws BackupExists, CorruptLog (of the log, or of the copy), UnknownLogFormat, the reason of the signal, and errors of
 * SQLite and the file system. There is no file then.
 */
export async function backupLog(
  file: string,
  target: string,
  { onProgress, signal }: BackupOptions = {},
): Promise<LogCheck> {
  if (existsSync(target)) throw new BackupExists(target)
  const draft = `${target}.${process.pid}.part`
  try {
    const copying = (): Promise<number> =>
      copy(file, draft, (copied, total) => {
        signal?.throwIfAborted()
        onProgress?.({ pages: copied, fraction: copied / total / 2 })
      })
    const pages = await unlessReplaced(file, copying, () => true)
    makeSingleFile(draft)
    const check = await checkLog(draft, {
      isLive: false,
      onProgress: ({ fraction }) =>
        onProgress?.({ pages: Math.round(pages * (1 + fraction)), fraction: (1 + fraction) / 2 }),
      ...(signal !== undefined && { signal }),
    })
    if (check.damageCount > 0) throw new CorruptLog(file, summary(check))
    sync(draft)
    if (existsSync(target)) throw new BackupExists(target)
    renameSync(draft, target)
    sync(dirname(target))
    return check
  } finally {
    for (const leftover of ['', '-journal', '-wal', '-shm']) rmSync(`${draft}${leftover}`, { force: true })
  }
}

/** Gives the number of pages. */
async function copy(file: string, draft: string, onCopy: (copied: number, total: number) => void): Promise<number> {
  // SQLite would take a damaged frame for the end.
  await checkWriteAheadLogInUse(`${file}-wal`)
  const { database, close } = openSnapshot(file)
  try {
    const { totalPages } = await database.backup(draft, {
      progress: ({ totalPages, remainingPages }) => {
        if (totalPages > 0) onCopy(totalPages - remainingPages, totalPages)
        return PAGES
      },
    })
    return totalPages
  } finally {
    close()
  }
}

/** The copy of a file with a write-ahead log says that it has one, too; this one is to be read without. */
function makeSingleFile(draft: string): void {
  const database = new Database(draft)
  database.pragma('journal_mode = DELETE')
  database.close()
}

const summary = ({ damages, damageCount }: LogCheck): string =>
  `${damages[0]}${damageCount > 1 ? `, the first of ${damageCount} findings` : ''}`

function sync(path: string): void {
  const descriptor = openSync(path, 'r')
  fsyncSync(descriptor)
  closeSync(descriptor)
}
