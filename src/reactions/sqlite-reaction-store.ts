import { randomUUID } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { deserialize, serialize } from 'node:v8'
import Database from 'better-sqlite3'
import type { Position, RecordedEvent } from '../cqrs/event.ts'
import { type ParkedEvent, type ReactionClaim, ReactionFenced, type ReactionStore } from '../cqrs/reaction-store.ts'

export interface SqliteReactionStore extends ReactionStore {
  /** Names of the reactions that were ever claimed, and how far they have come; 0 where one never ran. */
  reactions(): { name: string; position: Position; parked: number }[]
  close(): void
}

/**
 * Keeps reactions in a SQLite file of their own. Unlike a read model it cannot be made again from the log: a file
 * that cannot be used is refused and left as it is. Every call is on the disk when it returns (synchronous = FULL).
 *
 * @throws {UnusableReactionFile} it is no database, corrupt, or of another schema version; or with `readonly`, missing.
 */
export function openReactionStore(file: string, options: { readonly readonly?: boolean } = {}): SqliteReactionStore {
  const db = open(file, options.readonly ?? false)
  return {
    claim: async (reaction) => claim(db, reaction),
    async parked(reaction, limit) {
      const select = db.prepare<[string, number], ParkedRow>(
        'SELECT event, failures, reason, parked_at FROM parked WHERE reaction = ? ORDER BY position LIMIT ?',
      )
      return select.all(reaction, limit).map(toParkedEvent)
    },
    reactions() {
      const sql = `SELECT name, coalesce(position, 0) AS position,
        (SELECT count(*) FROM parked WHERE reaction = name) AS parked FROM reactions ORDER BY name`
      return db.prepare<[], { name: string; position: Position; parked: number }>(sql).all()
    },
    close: () => {
      db.close()
    },
  }
}

/** The file cannot be used, and must not be thrown away: it says what was delivered. */
export class UnusableReactionFile extends Error {
  override readonly name = 'UnusableReactionFile'
  readonly file: string
  readonly reason: string

  constructor(file: string, reason: string, options?: ErrorOptions) {
    super(`the reactions in ${file} cannot be used: ${reason}`, options)
    this.file = file
    this.reason = reason
  }
}

/** Stored as `user_version`. */
const SCHEMA_VERSION = 1

const SCHEMA = `
  CREATE TABLE reactions (
    name TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    position INTEGER -- the checkpoint; NULL: it never ran
  ) STRICT, WITHOUT ROWID;
  -- Events after the checkpoint that were tried.
  CREATE TABLE tried (
    reaction TEXT NOT NULL,
    event_id TEXT NOT NULL,
    position INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    is_done INTEGER NOT NULL,
    PRIMARY KEY (reaction, event_id)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX tried_position ON tried (reaction, position);
  CREATE TABLE parked (
    reaction TEXT NOT NULL,
    event_id TEXT NOT NULL,
    position INTEGER NOT NULL,
    stream TEXT NOT NULL,
    type TEXT NOT NULL,
    event BLOB NOT NULL, -- the whole event in V8's serialisation
    failures INTEGER NOT NULL,
    reason TEXT NOT NULL,
    parked_at TEXT NOT NULL,
    PRIMARY KEY (reaction, event_id)
  ) STRICT;
  CREATE INDEX parked_position ON parked (reaction, position);
  CREATE INDEX parked_stream ON parked (reaction, stream, position);
`

interface ParkedRow {
  readonly event: Buffer
  readonly failures: number
  readonly reason: string
  readonly parked_at: string
}

const toParkedEvent = ({ event, failures, reason, parked_at }: ParkedRow): ParkedEvent => ({
  ...{ event: deserialize(event), failures, reason },
  parkedAt: new Date(parked_at),
})

function open(file: string, readonly: boolean): Database.Database {
  let db: Database.Database | undefined
  try {
    if (!readonly) mkdirSync(dirname(file), { recursive: true })
    const opened = new Database(file, { readonly, fileMustExist: readonly })
    db = opened
    opened.pragma('synchronous = FULL')
    if (!readonly) {
      opened.pragma('journal_mode = WAL')
      opened.transaction(() => create(opened)).immediate()
    }
    const found = opened.pragma('user_version', { simple: true })
    if (found !== SCHEMA_VERSION) throw new Error(`schema version ${found}, and ${SCHEMA_VERSION} is known`)
    return opened
  } catch (error) {
    db?.close()
    throw new UnusableReactionFile(file, error instanceof Error ? error.message : String(error), { cause: error })
  }
}

function create(db: Database.Database): void {
  if (db.pragma('user_version', { simple: true }) !== 0) return
  db.exec(SCHEMA)
  db.pragma(`user_version = ${SCHEMA_VERSION}`)
}

function claim(db: Database.Database, reaction: string): ReactionClaim {
  const owner = randomUUID()
  const sql = `INSERT INTO reactions (name, owner) VALUES (?, ?)
    ON CONFLICT (name) DO UPDATE SET owner = excluded.owner RETURNING position`
  const row = db.prepare<[string, string], { position: Position | null }>(sql).get(reaction, owner)

  const isOwner = db.prepare('SELECT 1 FROM reactions WHERE name = ? AND owner = ?')
  const moveTo = db.prepare('UPDATE reactions SET position = ? WHERE name = ?')
  const forget = db.prepare('DELETE FROM tried WHERE reaction = ? AND position <= ?')
  const tried = db
    .prepare<[string, string], [number, number]>(
      'SELECT failures, is_done FROM tried WHERE reaction = ? AND event_id = ?',
    )
    .raw()
  const isParked = db.prepare('SELECT 1 FROM parked WHERE reaction = ? AND event_id = ?')
  const isBehind = db.prepare('SELECT 1 FROM parked WHERE reaction = ? AND stream = ? AND position < ? LIMIT 1')
  const count = db.prepare<[string], number>('SELECT count(*) FROM parked WHERE reaction = ?').pluck()
  const fail = db.prepare(
    `INSERT INTO tried (reaction, event_id, position, failures, is_done) VALUES (?, ?, ?, 1, 0)
     ON CONFLICT DO UPDATE SET failures = failures + 1`,
  )
  const finish = db.prepare(
    `INSERT INTO tried (reaction, event_id, position, failures, is_done) VALUES (?, ?, ?, 0, 1)
     ON CONFLICT DO UPDATE SET is_done = 1`,
  )
  const park = db.prepare(
    `INSERT INTO parked (reaction, event_id, position, stream, type, event, failures, reason, parked_at)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
  )
  const unpark = db.prepare('DELETE FROM parked WHERE reaction = ? AND event_id = ?')
  const streams = db
    .prepare<[string], string>('SELECT stream FROM parked WHERE reaction = ? GROUP BY stream ORDER BY min(position)')
    .pluck()
  const first = db
    .prepare<[string, string], Buffer>(
      'SELECT event FROM parked WHERE reaction = ? AND stream = ? ORDER BY position LIMIT 1',
    )
    .pluck()

  const failuresOf = ({ id }: RecordedEvent) => tried.get(reaction, id)?.[0] ?? 0
  const move = (checkpoint: Position) => {
    moveTo.run(checkpoint, reaction)
    forget.run(reaction, checkpoint)
  }
  /** The claim is checked in the same transaction, and before anything is written. */
  const asOwner = async <T>(work: () => T): Promise<T> =>
    db
      .transaction(() => {
        if (isOwner.get(reaction, owner) === undefined) throw new ReactionFenced(reaction)
        return work()
      })
      .immediate()

  return {
    checkpoint: row?.position ?? undefined,
    parked: count.get(reaction) ?? 0,
    standing: (event) =>
      asOwner(() => ({
        isSettled: tried.get(reaction, event.id)?.[1] === 1 || isParked.get(reaction, event.id) !== undefined,
        failures: failuresOf(event),
        isBehindParked: isBehind.get(reaction, event.stream, event.position) !== undefined,
      })),
    failed: (event) => asOwner(() => void fail.run(reaction, event.id, event.position)),
    done: (event, checkpoint) =>
      asOwner(() => {
        unpark.run(reaction, event.id)
        finish.run(reaction, event.id, event.position)
        move(checkpoint)
      }),
    park: (event, reason, checkpoint) =>
      asOwner(() => {
        const { id, position, stream, type } = event
        const parkedAt = new Date().toISOString()
        park.run(reaction, id, position, stream, type, serialize(event), failuresOf(event), reason, parkedAt)
        move(checkpoint)
      }),
    moveTo: (checkpoint) => asOwner(() => move(checkpoint)),
    parkedStreams: () => asOwner(() => streams.all(reaction)),
    firstParked: (stream) =>
      asOwner(() => {
        const event = first.get(reaction, stream)
        return event && deserialize(event)
      }),
  }
}
