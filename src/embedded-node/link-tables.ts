import type { Database, Statement } from 'better-sqlite3'

// The tables of the computed streams. They lie in the file of the log but are no part of its format: a log has them
// once somebody has read a computed stream.
const SCHEMA = `
  CREATE TABLE IF NOT EXISTS link_stream (
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
  ) STRICT;
  CREATE TABLE IF NOT EXISTS link (
    stream   INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    position INTEGER NOT NULL, -- of the event that it leads to
    PRIMARY KEY (stream, revision)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS link_origin ( -- what is left of events that were scavenged
    position INTEGER PRIMARY KEY,
    stream   TEXT    NOT NULL,
    revision INTEGER NOT NULL,
    type     TEXT    NOT NULL,
    id       BLOB    NOT NULL,
    created  INTEGER NOT NULL,
    data     BLOB
  ) STRICT;
  CREATE TABLE IF NOT EXISTS link_position (position INTEGER NOT NULL) STRICT; -- how far the log is indexed
  INSERT INTO link_position SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM link_position);
`

/** The event that a link leads to; `link` is the revision of the link. */
export interface LinkRow {
  readonly link: number
  readonly position: number
  readonly stream: string
  readonly revision: number
  readonly type: string
  readonly id: Buffer
  readonly created: number
  /** Of links and metadata. */
  readonly data: Buffer | null
}

export interface LinkStatements {
  readonly position: Statement<[], number>
  readonly setPosition: Statement<[number]>
  readonly events: Statement<[number, number], Omit<LinkRow, 'link'>>
  readonly streamId: Statement<[string], number>
  readonly addStream: Statement<[string]>
  readonly lastRevision: Statement<[number], number>
  readonly insert: Statement<[number, number, number]>
  readonly forwards: Statement<[number, number, number], LinkRow>
  readonly backwards: Statement<[number, number, number], LinkRow>
  readonly keepOrigin: Statement<[number]>
}

/** Makes the tables where they are missing. */
export function openLinkTables(db: Database): LinkStatements {
  db.transaction(() => db.exec(SCHEMA)).immediate()
  return {
    position: db.prepare<[], number>('SELECT position FROM link_position').pluck(),
    setPosition: db.prepare('UPDATE link_position SET position = ?'),
    events: db.prepare(`SELECT ${ORIGIN} FROM event e WHERE position > ? ORDER BY position LIMIT ?`),
    streamId: db.prepare<[string], number>('SELECT id FROM link_stream WHERE name = ?').pluck(),
    addStream: db.prepare('INSERT INTO link_stream (name) VALUES (?)'),
    lastRevision: db
      .prepare<[number], number>('SELECT revision FROM link WHERE stream = ? ORDER BY revision DESC LIMIT 1')
      .pluck(),
    insert: db.prepare('INSERT INTO link VALUES (?, ?, ?)'),
    forwards: db.prepare(pageOf('>=', 'ASC')),
    backwards: db.prepare(pageOf('<=', 'DESC')),
    keepOrigin: db.prepare(`INSERT INTO link_origin SELECT ${ORIGIN} FROM event e WHERE position = ?`),
  }
}

const ORIGIN = `e.position, e.stream, e.revision, e.type, e.id, e.created,
  CASE WHEN e.type IN ('$>', '$metadata') THEN e.data END AS data`

/** The page is cut before its events are looked up, here or among those that were scavenged. */
function pageOf(comparison: string, order: string): string {
  const from = (table: string): string =>
    `SELECT page.revision AS link, ${ORIGIN} FROM page JOIN ${table} e ON e.position = page.position`
  return `
    WITH page AS MATERIALIZED (
      SELECT revision, position FROM link WHERE stream = ? AND revision ${comparison} ? ORDER BY revision ${order} LIMIT ?
    )
    ${from('event')} UNION ALL ${from('link_origin')} ORDER BY link ${order}`
}
