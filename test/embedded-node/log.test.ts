import { createHash, randomUUID } from 'node:crypto'
import {
  closeSync,
  copyFileSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { CorruptLog, LogInUse, UnknownLogFormat } from '../../src/embedded-node/errors.ts'
import { compileFilter, type Filter } from '../../src/embedded-node/filter.ts'
import { Log } from '../../src/embedded-node/log.ts'
import type { LogEvent } from '../../src/embedded-node/log-event.ts'
import { LogRewrite } from '../../src/embedded-node/log-rewrite.ts'
import { openSnapshot } from '../../src/embedded-node/log-snapshot.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const NOTHING = Buffer.alloc(0)

function eventOf(stream: string, revision: number, type = 't', data: Buffer = NOTHING): Omit<LogEvent, 'position'> {
  return { stream, revision, type, id: randomUUID(), json: false, created: 1, metadata: NOTHING, data }
}

/** A log that was closed again, with so many events of a hundred bytes. */
function closedLog(dataDir: string, events: number): string {
  const log = new Log(dataDir)
  log.transaction(() => {
    for (let revision = 0; revision < events; revision++) {
      log.insert(eventOf('s', revision, 't', Buffer.from(`event ${revision} `.padEnd(100, 'x'))))
    }
  })
  log.close()
  return log.path
}

const digest = (file: string): string => createHash('sha256').update(readFileSync(file)).digest('hex')

function caught(action: () => unknown): unknown {
  try {
    action()
  } catch (error) {
    return error
  }
  return undefined
}

describe('a log', () => {
  test('gives back what was written to it, after it was opened again', () => {
    const dataDir = temporaryFolder()
    const events = [
      { ...eventOf('s', 0, 'тип', Buffer.from([0, 1, 255])), json: true, metadata: Buffer.from('{"a":1}') },
      eventOf('$$s', 0),
      eventOf('s', 2 ** 63, '$streamDeleted'),
    ]
    const first = new Log(dataDir)
    first.transaction(() => {
      for (const event of events) first.insert(event)
    })
    first.close()
    const log = new Log(dataDir)
    const positioned = events.map((event, index) => ({ ...event, position: index + 1 }))
    expect(log.allForwards(0, 10)).toEqual({ events: positioned, end: true })
    expect(log.allBackwards(3, 10).events).toEqual(positioned.slice(0, 2).reverse())
    expect(log.streamForwards('s', 0, 10).events).toEqual([positioned[0], positioned[2]])
    expect(log.lastRevision('s')).toBe(2 ** 63)
    expect(log.lastRevision('missing')).toBe(-1)
    log.close()
  })

  test('never gives a position twice, not even that of an empty append', () => {
    const dataDir = temporaryFolder()
    const first = new Log(dataDir)
    let taken = 0
    first.transaction(() => {
      first.insert(eventOf('s', 0))
      taken = first.takePosition()
    })
    first.close()
    const log = new Log(dataDir)
    expect(log.lastPosition).toBe(taken)
    log.close()
  })

  test('goes on with a copy of it that another process has begun to read', () => {
    const path = closedLog(temporaryFolder(), 3)
    const copy = new LogRewrite(path, false)
    while (!copy.copySome());
    copy.finish()
    const [reader, writer] = [new Database(copy.path, { readonly: true }), new Database(copy.path, { timeout: 0 })]
    reader.exec('BEGIN')
    expect(reader.prepare('SELECT count(*) AS events FROM event').get()).toEqual({ events: 3 })
    expect(writer.pragma('journal_mode = WAL', { simple: true })).toBe('wal')
    for (const database of [reader, writer]) database.close()
  })

  test('opens after a crash in the middle of a change of the journal mode, which is taken back', () => {
    const [crashing, dataDir] = [temporaryFolder(), temporaryFolder()]
    const path = closedLog(crashing, 3)
    const database = new Database(path)
    database.pragma('journal_mode = DELETE')
    // As that does, it changes nothing but the header. The journal counts from the start: nothing waits for the disk.
    database.pragma('synchronous = OFF')
    database.exec('BEGIN; PRAGMA user_version = 2')
    for (const name of ['eventstore.sqlite', 'eventstore.sqlite-journal']) {
      copyFileSync(join(crashing, name), join(dataDir, name))
    }
    database.close()
    const file = join(dataDir, 'eventstore.sqlite')
    expect(caught(() => openSnapshot(file))).toMatchObject({
      message: expect.stringMatching(/-journal.*start the node/),
    })
    const log = new Log(dataDir)
    expect(log.streamForwards('s', 0, 10).events.length).toBe(3)
    log.close()
    expect(readdirSync(dataDir).sort()).toEqual(['eventstore.lock', 'eventstore.sqlite'])
  })

  test('is not opened with what is left of another log, which is named', () => {
    const [other, dataDir] = [temporaryFolder(), temporaryFolder()]
    const database = new Database(closedLog(other, 300))
    database.pragma('journal_mode = DELETE')
    database.pragma('synchronous = OFF')
    database.exec('BEGIN; CREATE TABLE later (data BLOB)')
    const path = closedLog(dataDir, 3)
    const before = readFileSync(path)
    copyFileSync(join(other, 'eventstore.sqlite-journal'), `${path}-journal`)
    database.close()
    expect(caught(() => new Log(dataDir))).toMatchObject({ name: 'CorruptLog', file: `${path}-journal` })
    expect(readFileSync(path)).toEqual(before)
  })

  test('has nothing of a transaction that failed', () => {
    const log = new Log(temporaryFolder())
    const failing = (): void => {
      log.insert(eventOf('s', 0))
      throw new Error('no')
    }
    expect(() => log.transaction(failing)).toThrow('no')
    expect(log.lastPosition).toBe(0)
    expect(log.lastRevision('s')).toBe(-1)
    log.close()
  })

  test('ends a page where it has many bytes', () => {
    const log = new Log(temporaryFolder())
    log.transaction(() => {
      for (let revision = 0; revision < 5; revision++) log.insert(eventOf('s', revision, 't', Buffer.alloc(200_000)))
    })
    const page = log.allForwards(0, 100)
    expect(page).toMatchObject({ end: false })
    expect(page.events.map((event) => event.revision)).toEqual([0, 1])
    log.close()
  })
})

describe('a file that is no log of this version', () => {
  test('is refused and left as it is, byte for byte: another format', () => {
    const dataDir = temporaryFolder()
    const path = closedLog(dataDir, 3)
    const database = new Database(path)
    database.pragma('user_version = 2')
    database.close()
    const before = digest(path)
    expect(caught(() => new Log(dataDir))).toMatchObject({
      name: 'UnknownLogFormat',
      file: path,
      found: 'version 2',
      supported: 'version 1',
    })
    expect(digest(path)).toBe(before)
    expect(readdirSync(dataDir).filter((name) => name.startsWith('eventstore.sqlite'))).toEqual(['eventstore.sqlite'])
  })

  test('is refused and left as it is, byte for byte: a database of another program', () => {
    const dataDir = temporaryFolder()
    const path = join(dataDir, 'eventstore.sqlite')
    const database = new Database(path)
    database.exec('CREATE TABLE t (a)')
    database.close()
    const before = digest(path)
    expect(caught(() => new Log(dataDir))).toBeInstanceOf(UnknownLogFormat)
    expect(digest(path)).toBe(before)
  })
})

describe('a damaged log', () => {
  const contents = [
    ['nothing', ''],
    ['less than a header', 'SQLite format 3'],
    ['something else', 'junk '.repeat(1000)],
  ]

  test.each(contents)('is reported with its name: the file holds %s', (_, content) => {
    const dataDir = temporaryFolder()
    const path = join(dataDir, 'eventstore.sqlite')
    writeFileSync(path, content)
    expect(caught(() => new Log(dataDir))).toMatchObject({ name: 'CorruptLog', file: path })
    expect(readFileSync(path, 'utf8')).toBe(content)
  })

  test('is reported when it is opened: the end is missing', () => {
    const dataDir = temporaryFolder()
    const path = closedLog(dataDir, 1_000)
    truncateSync(path, statSync(path).size / 2)
    const before = digest(path)
    expect(caught(() => new Log(dataDir))).toMatchObject({ name: 'CorruptLog', file: path })
    expect(digest(path)).toBe(before)
  })

  test('is reported when it is opened: a page in the middle is overwritten', () => {
    const dataDir = temporaryFolder()
    const path = closedLog(dataDir, 1_000)
    overwrite(path, Math.floor(statSync(path).size / 8192 / 2) * 8192, Buffer.alloc(8192, 0xff))
    const before = digest(path)
    expect(caught(() => new Log(dataDir))).toBeInstanceOf(CorruptLog)
    expect(digest(path)).toBe(before)
  })

  test('is reported when it is read: one bit of an event is another', () => {
    const dataDir = temporaryFolder()
    const path = closedLog(dataDir, 1_000)
    // Pages keep remains of what they held before: change them all.
    const bytes = readFileSync(path)
    for (let at = bytes.indexOf('event 500 '); at >= 0; at = bytes.indexOf('event 500 ')) bytes[at] = 0x64
    writeFileSync(path, bytes)
    const log = new Log(dataDir)
    const readAll = (): void => {
      for (let after = 0, end = false; !end; ) {
        const page = log.allForwards(after, 500)
        after = page.events.at(-1)?.position ?? after
        end = page.end
      }
    }
    expect(caught(readAll)).toMatchObject({ name: 'CorruptLog', file: path })
    log.close()
  })
})

describe('a write-ahead log that a crash left behind', () => {
  /** The files of a log that was never closed, with so many transactions of three events. */
  function crashedLog(transactions: number): { dataDir: string; wal: string } {
    const [running, dataDir] = [temporaryFolder(), temporaryFolder()]
    const log = new Log(running)
    for (let at = 0; at < transactions; at++) {
      log.transaction(() => {
        for (let event = 0; event < 3; event++) log.insert(eventOf('s', at * 3 + event, 't', Buffer.alloc(9_000, 'x')))
      })
    }
    for (const name of ['eventstore.sqlite', 'eventstore.sqlite-wal']) {
      copyFileSync(join(running, name), join(dataDir, name))
    }
    log.close()
    return { dataDir, wal: join(dataDir, 'eventstore.sqlite-wal') }
  }

  test('is taken over when it is whole', () => {
    const { dataDir } = crashedLog(10)
    const log = new Log(dataDir)
    expect(log.lastRevision('s')).toBe(29)
    log.close()
  })

  test('is taken over without its newest transaction when that is torn', () => {
    const { dataDir, wal } = crashedLog(10)
    truncateSync(wal, statSync(wal).size - 5_000)
    const log = new Log(dataDir)
    expect(log.lastRevision('s')).toBe(26)
    log.close()
  })

  test('is reported with its name when an older transaction is damaged: what follows would be lost', () => {
    const { dataDir, wal } = crashedLog(10)
    overwrite(wal, Math.floor(statSync(wal).size / 2), Buffer.from('damage'))
    const before = digest(wal)
    expect(caught(() => new Log(dataDir))).toMatchObject({ name: 'CorruptLog', file: wal })
    expect(digest(wal)).toBe(before)
  })
})

function overwrite(path: string, offset: number, bytes: Buffer): void {
  const file = openSync(path, 'r+')
  writeSync(file, bytes, 0, bytes.length, offset)
  closeSync(file)
}

test('a log that is open is refused to another', () => {
  const dataDir = temporaryFolder()
  const log = new Log(dataDir)
  expect(caught(() => new Log(dataDir))).toBeInstanceOf(LogInUse)
  log.close()
  new Log(dataDir).close()
})

describe('a filter', () => {
  const name = fc.oneof(
    fc.constantFrom('$metadata', '$>', 'user-a', 'user-b', 'User', 'ü-山', 'a_b', 'a%b'),
    fc.string(),
  )
  const on = fc.constantFrom('stream', 'type')
  const filter: fc.Arbitrary<Filter> = fc.oneof(
    fc.record({
      on,
      prefixes: fc.array(fc.oneof(fc.constantFrom('user', '$', 'ü', 'a_', '𐐀'), fc.string({ maxLength: 2 }))),
    }),
    fc.record({ on, regex: fc.constantFrom('^[^$].*', '^user-', 'a', '^$', '[äöü]', '(?i)USER', '_|%') }),
  )

  test('accepts the same events in the log, forwards and backwards, as in memory', () => {
    const log = new Log(temporaryFolder())
    const property = fc.property(fc.array(fc.tuple(name, name), { maxLength: 8 }), filter, (names, given) => {
      const written: LogEvent[] = []
      const before = log.lastPosition
      log.transaction(() => {
        for (const [stream, type] of names)
          written.push(log.insert(eventOf(stream, log.lastRevision(stream) + 1, type)))
      })
      const compiled = compileFilter(given)
      const expected = written.filter((event) => compiled.test(event)).map((event) => event.position)
      const forwards = log.filteredForwards(before, log.lastPosition, compiled, 100)
      const backwards = log.filteredBackwards(log.lastPosition + 1, before + 1, compiled, 100)
      expect(forwards.events.map((event) => event.position)).toEqual(expected)
      expect(backwards.events.map((event) => event.position)).toEqual(expected.reverse())
    })
    fc.assert(property, { numRuns: 300 })
    log.close()
  })

  test('that takes long gives way after a few milliseconds, and goes on where it stopped', () => {
    const noise = (seed: number) => Array.from({ length: 4_000 }, (_, at) => 'ab'[((at * at + seed) % 11) % 2]).join('')
    const log = new Log(temporaryFolder())
    log.transaction(() => {
      for (let index = 0; index < 40; index++) log.insert(eventOf(`s-${index}`, 0, `${noise(index)}${index}`))
    })
    const { last, slow } = {
      last: log.lastPosition,
      slow: compileFilter({ on: 'type', regex: '[ab]*a[ab]{900}[xy0]' }),
    }
    let pages = 0
    for (let at = 0; at < last; pages++) {
      const start = performance.now()
      const { end, paused, events } = log.filteredForwards(at, last, slow, 100)
      expect(performance.now() - start).toBeLessThan(2_000)
      expect(paused ?? last).toBeGreaterThan(at)
      at = end ? last : (paused ?? events.at(-1)?.position ?? last)
    }
    expect(pages).toBeGreaterThan(1)
    log.close()
  })
})

test('$all leaves out what persistent subscriptions to $all write, in every way of reading', () => {
  const log = new Log(temporaryFolder())
  const group = '$persistentsubscription-$all::g'
  const shown = ['s', `${group}-other`, `$$${group}-parked`, '$persistentsubscription-s::g-parked']
  log.transaction(() => {
    for (const stream of [...shown, `${group}-checkpoint`, `${group}-parked`]) log.insert(eventOf(stream, 0))
  })
  const filter = compileFilter({ on: 'type', prefixes: ['t'] })
  const pages = [
    log.allForwards(0, 10),
    log.allBackwards(log.lastPosition + 1, 10),
    log.filteredForwards(0, log.lastPosition, filter, 10),
    log.filteredBackwards(log.lastPosition + 1, 1, filter, 10),
  ]
  for (const { events } of pages) expect(events.map(({ stream }) => stream).toSorted()).toEqual(shown.toSorted())
  log.close()
})
