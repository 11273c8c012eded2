import { closeSync, openSync, readSync, statSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { CorruptLog } from './errors.ts'

/**
 * SQLite takes the first frame of a write-ahead log that does not fit its checksum for the end, and drops what follows:
 * right after a crash, which can tear the newest transaction, and a silent loss where an older one is damaged. Every
 * transaction is on the disk before the next one begins, so two that are whole behind a break were written,
 * acknowledged, and would be dropped.
 *
 * The format is that of sqlite.org/fileformat.html#the_write_ahead_log. Nothing is written. Says `torn` where the newest
 * transaction is not whole, which SQLite leaves out.
 *
 * @throws CorruptLog
 */
export function checkWriteAheadLog(path: string): 'whole' | 'torn' {
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0
  if (size <= HEADER_BYTES) return 'whole'
  const file = openSync(path, 'r')
  try {
    const header = Buffer.alloc(HEADER_BYTES)
    readSync(file, header, 0, HEADER_BYTES, 0)
    const magic = header.readUInt32BE(0)
    if (magic !== LITTLE_ENDIAN && magic !== BIG_ENDIAN) throw new CorruptLog(path, 'it has no valid header')
    const sum = new Checksum(magic === LITTLE_ENDIAN)
    sum.add(header, 0, 24)
    const salt = header.subarray(16, 24)
    // It is on the disk before the first frame is written.
    if (!sum.equals(header, 24)) throw new CorruptLog(path, 'its header does not match its checksum')
    let isWhole = true
    let isTorn = false
    let commitsBehindBreak = 0
    const frame = Buffer.alloc(FRAME_HEADER_BYTES + header.readUInt32BE(8))
    for (let offset = HEADER_BYTES; offset + frame.length <= size; offset += frame.length) {
      readSync(file, frame, 0, isWhole ? frame.length : FRAME_HEADER_BYTES, offset)
      // Frames with another salt are older than the last checkpoint; the log ends before them.
      const isCurrent = frame.compare(salt, 0, 8, 8, 16) === 0
      if (isWhole) {
        sum.add(frame, 0, 8)
        sum.add(frame, FRAME_HEADER_BYTES, frame.length)
        isWhole = isCurrent && sum.equals(frame, 16)
      }
      if (isCurrent) isTorn = !isWhole || frame.readUInt32BE(4) === 0
      if (!isWhole && isCurrent && frame.readUInt32BE(4) !== 0) commitsBehindBreak++
    }
    if (commitsBehindBreak >= 2) {
      throw new CorruptLog(
        path,
        `${commitsBehindBreak} committed transactions lie behind a frame with a wrong checksum`,
      )
    }
    const endsInFrame = (size - HEADER_BYTES) % frame.length > 0
    return isTorn || (isWhole && endsInFrame) ? 'torn' : 'whole'
  } finally {
    closeSync(file)
  }
}

/**
 * The same where a node may be writing. It begins the file anew after a checkpoint, and who reads it at that moment sees
 * some of both; damage stays.
 *
 * @throws CorruptLog
 */
export async function checkWriteAheadLogInUse(path: string): Promise<'whole' | 'torn'> {
  for (let left = ATTEMPTS; left > 1; left--) {
    try {
      return checkWriteAheadLog(path)
    } catch (error) {
      if (!(error instanceof CorruptLog)) throw error
      await sleep(ATTEMPT_MS)
    }
  }
  return checkWriteAheadLog(path)
}

const ATTEMPTS = 3
const ATTEMPT_MS = 50

const HEADER_BYTES = 32
const FRAME_HEADER_BYTES = 24
const LITTLE_ENDIAN = 0x377f0682
const BIG_ENDIAN = 0x377f0683

/** The running checksum of a write-ahead log. */
class Checksum {
  readonly #littleEndian: boolean
  #first = 0
  #second = 0

  constructor(littleEndian: boolean) {
    this.#littleEndian = littleEndian
  }

  add(buffer: Buffer, from: number, to: number): void {
    const words = new DataView(buffer.buffer, buffer.byteOffset, buffer.length)
    for (let offset = from; offset < to; offset += 8) {
      this.#first = (this.#first + words.getUint32(offset, this.#littleEndian) + this.#second) >>> 0
      this.#second = (this.#second + words.getUint32(offset + 4, this.#littleEndian) + this.#first) >>> 0
    }
  }

  equals(buffer: Buffer, offset: number): boolean {
    return buffer.readUInt32BE(offset) === this.#first && buffer.readUInt32BE(offset + 4) === this.#second
  }
}
