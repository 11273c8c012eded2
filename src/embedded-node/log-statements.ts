import type { Database, Statement } from 'better-sqlite3'
import { VISIBLE_IN_ALL } from './hidden-streams.ts'

/** A row of the table `event`, as SQLite gives it. */
export interface Row {
  readonly position: number
  readonly stream: string
  readonly revision: number
  readonly type: string
  readonly id: Buffer
  readonly json: number
  readonly created: number
  readonly checksum: number
  readonly metadata: Buffer
  readonly data: Buffer
}

export interface Statements {
  readonly begin: Statement<[]>
  readonly commit: Statement<[]>
  readonly insert: Statement<unknown[]>
  readonly take: Statement<[number]>
  readonly lastRevision: Statement<[string], number>
  readonly idAt: Statement<[string, number], Buffer>
  readonly at: Statement<[string, number | bigint], Row>
  readonly streamForwards: Statement<unknown[], Row>
  readonly streamBackwards: Statement<unknown[], Row>
  readonly allForwards: Statement<unknown[], Row>
  readonly allBackwards: Statement<unknown[], Row>
  readonly idsBehind: Statement<[number], Pick<Row, 'id' | 'stream' | 'revision'>>
  readonly lastPosition: Statement<[], number>
}

/** What the log does again and again. */
export function prepareStatements(db: Database): Statements {
  return {
    begin: db.prepare('BEGIN IMMEDIATE'),
    commit: db.prepare('COMMIT'),
    insert: db.prepare('INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)'),
    take: db.prepare('UPDATE position_taken SET position = ?'),
    lastRevision: db
      .prepare<[string], number>('SELECT revision FROM event WHERE stream = ? ORDER BY revision DESC LIMIT 1')
      .pluck(),
    idAt: db.prepare<[string, number], Buffer>('SELECT id FROM event WHERE stream = ? AND revision = ?').pluck(),
    at: db.prepare('SELECT * FROM event WHERE stream = ? AND revision = ?'),
    streamForwards: db.prepare('SELECT * FROM event WHERE stream = ? AND revision >= ? ORDER BY revision LIMIT ?'),
    streamBackwards: db.prepare(
      'SELECT * FROM event WHERE stream = ? AND revision <= ? ORDER BY revision DESC LIMIT ?',
    ),
    allForwards: db.prepare(`SELECT * FROM event WHERE position > ? AND ${VISIBLE_IN_ALL} ORDER BY position LIMIT ?`),
    allBackwards: db.prepare(
      `SELECT * FROM event WHERE position < ? AND ${VISIBLE_IN_ALL} ORDER BY position DESC LIMIT ?`,
    ),
    idsBehind: db.prepare('SELECT id, stream, revision FROM event WHERE position > ? ORDER BY position'),
    lastPosition: db
      .prepare<[], number>('SELECT max(position, coalesce((SELECT max(position) FROM event), 0)) FROM position_taken')
      .pluck(),
  }
}
