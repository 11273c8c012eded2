import { closeSync, openSync, readSync, statSync } from 'node:fs'
import { CorruptLog } from './errors.ts'

const MAGIC = Buffer.from('d9d505f920a163d7', 'hex')
const HEAD_BYTES = 28
const MAX_PAGE_BYTES = 65_536

/**
 * SQLite would apply any rollback journal that has the right name. Changes of the journal mode are the only ones of a log
 * that go through one, and the only page that they change is the first, in its header: where the journal has another
 * page than the file, it is what is left of a log that was there before. Does nothing where there is no journal.
 * Format: sqlite.org/fileformat.html#the_rollback_journal
 *
 * @throws CorruptLog
 */
export function checkJournal(path: string): void {
  const journal = `${path}-journal`
  if (statSync(journal, { throwIfNoEntry: false }) === undefined) return
  const head = read(journal, 0, HEAD_BYTES)
  // SQLite does not apply it either.
  if (head.length < HEAD_BYTES || !head.subarray(0, MAGIC.length).equals(MAGIC)) return
  const [pages, sectorBytes, pageBytes] = [head.readUInt32BE(16), head.readUInt32BE(20), head.readUInt32BE(24)]
  const record = pageBytes > MAX_PAGE_BYTES ? head : read(journal, sectorBytes, 4 + pageBytes)
  const isOwn =
    statSync(path).size === pages * pageBytes &&
    (record.length < 4 + pageBytes ||
      (record.readUInt32BE(0) === 1 && unchanging(record.subarray(4)).equals(unchanging(read(path, 0, pageBytes)))))
  if (!isOwn) throw new CorruptLog(journal, 'it belongs to another log than the file beside it')
}

/** The first page without what a change of the journal mode changes: the versions to read and write, and the counters. */
function unchanging(page: Buffer): Buffer {
  return Buffer.from(page).fill(0, 18, 20).fill(0, 24, 28).fill(0, 92, 100)
}

function read(path: string, at: number, length: number): Buffer {
  const bytes = Buffer.alloc(length)
  const file = openSync(path, 'r')
  try {
    return bytes.subarray(0, readSync(file, bytes, 0, length, at))
  } finally {
    closeSync(file)
  }
}
