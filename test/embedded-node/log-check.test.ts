import { readdirSync, readFileSync, renameSync, statSync, truncateSync } from 'node:fs'
import { dirname } from 'node:path'
import Database from 'better-sqlite3'
import { describe, expect, test } from 'vitest'
import { UnknownLogFormat } from '../../src/embedded-node/errors.ts'
import { checkLog, type LogCheck } from '../../src/embedded-node/log-check.ts'
import { contents, crashLog, eventOf, overwrite, writeLog } from '../support/log-files.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const TOMBSTONE = 2 ** 63
const PAGE = 8192

/** Streams s-00 to s-99 with ten events each, and their file. */
function soundLog(): string {
  return writeLog(
    temporaryFolder(),
    Array.from({ length: 1_000 }, (_, at) => tenOfEach(at)),
  )
}

function crashedLog(): string {
  const transactions = Array.from({ length: 50 }, (_, at) => [eventOf('s', at, 'x'.repeat(9_000))])
  return crashLog(temporaryFolder(), temporaryFolder(), ...transactions)
}

const tenOfEach = (at: number) =>
  eventOf(`s-${String(at % 100).padStart(2, '0')}`, Math.floor(at / 100), `event ${at} `.padEnd(100, 'x'))

const check = (file: string, isLive = false): Promise<LogCheck> => checkLog(file, { isLive })

function sql(file: string, statement: string): void {
  const database = new Database(file)
  database.exec(statement)
  database.close()
}

test('a log that a scavenge replaces while it is read is read again', async () => {
  const [file, replacement] = [soundLog(), soundLog()]
  sql(file, "UPDATE event SET data = x'00' WHERE position = 10")
  expect((await check(file)).damageCount).toBe(1)
  let isReplaced = false
  const replace = (): void => {
    if (!isReplaced) renameSync(replacement, file)
    isReplaced = true
  }
  expect((await checkLog(file, { isLive: true, onProgress: replace })).damages).toEqual([])
})

describe('a sound log', () => {
  test('is told to be one, with what it has', async () => {
    const reports: number[] = []
    const found = await checkLog(soundLog(), { isLive: false, onProgress: ({ fraction }) => reports.push(fraction) })
    expect(found).toEqual({
      ...{ events: 1_000, streams: 100, lastPosition: 1_000 },
      ...{ damages: [], damageCount: 0, warnings: [], warningCount: 0 },
    })
    expect(reports.at(-1)).toBe(1)
  })

  test.each([
    ['a node that was stopped', soundLog],
    ['a node that was killed', crashedLog],
  ])('stays as it is, byte for byte, with no file more: of %s', async (_, make) => {
    const file = make()
    const before = contents(dirname(file))
    expect((await check(file)).damages).toEqual([])
    expect(contents(dirname(file))).toEqual(before)
    expect(readdirSync(dirname(file)).includes('eventstore.sqlite-shm')).toBe('eventstore.sqlite-wal' in before)
  })

  test('may have a write-ahead log that ends in a part of a transaction, which is told', async () => {
    const file = crashedLog()
    truncateSync(`${file}-wal`, statSync(`${file}-wal`).size - 5_000)
    expect(await check(file)).toMatchObject({
      ...{ events: 49, damages: [], warnings: [expect.stringMatching(/ends in a part of a transaction/)] },
    })
    expect((await check(file, true)).warnings).toEqual([])
  })

  test('may have metadata that no server can read, which is told', async () => {
    const file = writeLog(temporaryFolder(), [eventOf('$$s', 0, '{"$tb":', '$metadata')])
    expect(await check(file)).toMatchObject({ damages: [], warnings: [expect.stringMatching(/position 1, .*"\$\$s"/)] })
  })
})

describe('damage is found and named:', () => {
  test.each<[string, (file: string) => void, RegExp]>([
    [
      'one bit of an event',
      (file) => flipIn(file, TABLE_LEAF, 'event 517 '),
      /position 518, revision 5 of "s-17",.*checksum/,
    ],
    ['one bit of the index', (file) => flipIn(file, INDEX_LEAF, 's-17'), /integrity check: row \d+ missing from index/],
    ['a page', (file) => overwrite(file, 20 * PAGE, Buffer.alloc(PAGE, 0xff)), /integrity check|cannot read/],
    [
      'the end of the file',
      (file) => truncateSync(file, statSync(file).size - 3 * PAGE),
      /integrity check|cannot read/,
    ],
    ['the header', (file) => overwrite(file, 0, Buffer.from('X')), /does not begin with the header/],
    [
      'a row that is missing',
      (file) => sql(file, "DELETE FROM event WHERE stream = 's-42' AND revision = 5"),
      /^revisions 5 to 5 of "s-42" are missing$/,
    ],
    [
      'rows that are missing from the beginning of a stream',
      (file) => sql(file, "DELETE FROM event WHERE stream = 's-42' AND revision < 3"),
      /^revisions 0 to 2 of "s-42" are missing$/,
    ],
    [
      'another revision',
      (file) => sql(file, "UPDATE event SET revision = 77 WHERE stream = 's-42' AND revision = 9"),
      /^revisions 9 to 76 of "s-42" are missing$/,
    ],
    [
      'another position',
      (file) => sql(file, 'UPDATE event SET position = 4711 WHERE position = 300'),
      /position 4711, revision 2 of "s-99",.*checksum/,
    ],
    [
      'a position that is negative',
      (file) => sql(file, 'UPDATE event SET position = -1 WHERE position = 300'),
      /position -1 /,
    ],
    ['no last position', (file) => sql(file, 'DELETE FROM position_taken'), /position_taken has 0 rows/],
  ])('%s', async (_, damage, named) => {
    const file = soundLog()
    damage(file)
    const before = contents(dirname(file))
    const { damages } = await check(file)
    expect(damages).toContainEqual(expect.stringMatching(named))
    expect(contents(dirname(file))).toMatchObject(before)
  })

  test.each<[string, (wal: string) => void, RegExp]>([
    [
      'a frame',
      (wal) => overwrite(wal, Math.floor(statSync(wal).size / 2), Buffer.from('damage')),
      /wal: \d+ committed/,
    ],
    ['the header', (wal) => overwrite(wal, 17, Buffer.from('salt')), /wal: its header does not match/],
  ])('%s of the write-ahead log', async (_, damage, named) => {
    const file = crashedLog()
    damage(`${file}-wal`)
    const before = contents(dirname(file))
    expect((await check(file)).damages).toContainEqual(expect.stringMatching(named))
    expect(contents(dirname(file))).toEqual(before)
  })

  test('more of it than anybody reads is counted', async () => {
    const file = soundLog()
    sql(file, 'UPDATE event SET created = 2')
    const { damages, damageCount } = await check(file)
    expect([damages.length, damageCount]).toEqual([100, 1_000])
  })
})

describe('events that were removed', () => {
  const truncated = eventOf('$$s', 0, '{"$tb":3}', '$metadata')
  const stream = Array.from({ length: 10 }, (_, revision) => eventOf('s', revision))
  const scavenged = eventOf('$scavenges', 0, '{}', '$scavengeStarted')

  test.each([
    ['before a truncation', [truncated], 'revision < 3', []],
    ['of a part of what is before a truncation', [truncated], 'revision = 1', []],
    ['behind a truncation', [truncated], 'revision < 5', ['revisions 3 to 4 of "s" are missing']],
    ['in the middle, behind a truncation', [truncated], 'revision = 6', ['revisions 6 to 6 of "s" are missing']],
    ['before the newest ones', [eventOf('$$s', 0, '{"$maxCount":2}', '$metadata')], 'revision < 8', []],
    ['that had expired', [eventOf('$$s', 0, '{"$maxAge":1}', '$metadata')], 'revision IN (0, 1, 4)', []],
    ['before a tombstone', [eventOf('s', TOMBSTONE, '', '$streamDeleted')], 'revision < 10', []],
    ['by a scavenge, for metadata that has changed since', [scavenged], 'revision < 7', []],
    [
      'in the middle of a stream, of a log that was scavenged',
      [scavenged],
      'revision = 7',
      ['revisions 7 to 7 of "s" are missing'],
    ],
  ])('%s', async (_, others, where, damages) => {
    const file = writeLog(temporaryFolder(), [...stream, ...others])
    sql(file, `DELETE FROM event WHERE stream = 's' AND ${where}`)
    expect((await check(file)).damages).toEqual(damages)
  })
})

test('metadata that newer metadata has replaced may be missing', async () => {
  const metadata = [0, 1, 2].map((revision) => eventOf('$$s', revision, '{"$maxCount":2}', '$metadata'))
  const file = writeLog(temporaryFolder(), metadata)
  sql(file, 'DELETE FROM event WHERE revision < 2')
  expect((await check(file)).damages).toEqual([])
})

test('a check that is interrupted ends with the reason', async () => {
  const signal = AbortSignal.abort(new Error('interrupted'))
  await expect(checkLog(soundLog(), { isLive: false, signal })).rejects.toThrow('interrupted')
})

test('a file of another program is no log', async () => {
  const file = soundLog()
  sql(file, 'PRAGMA application_id = 1')
  await expect(check(file)).rejects.toBeInstanceOf(UnknownLogFormat)
})

const TABLE_LEAF = 0x0d
const INDEX_LEAF = 0x0a

/** Changes one bit of a text, on all pages of a kind: pages keep remains of what they held before. */
function flipIn(file: string, kind: number, text: string): void {
  const bytes = readFileSync(file)
  for (let page = PAGE; page < bytes.length; page += PAGE) {
    if (bytes[page] !== kind) continue
    const at = bytes.subarray(page, page + PAGE).indexOf(text)
    if (at >= 0) overwrite(file, page + at, Buffer.from([text.charCodeAt(0) ^ 1]))
  }
}
