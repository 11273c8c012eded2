import type Database from 'better-sqlite3'
import { getTableName } from 'drizzle-orm'
import type { ReadModelDatabase } from './projection.ts'
import { checkpoint, parkedEvents } from './tables.ts'

/** Most differences that are described. All are counted. */
const DESCRIBED = 20

/** A cell, or a whole row where `column` is undefined: then one of the sides has no such row. */
export interface Difference {
  readonly table: string
  /** The primary key of the row. */
  readonly key: string
  readonly column: string | undefined
  readonly live: unknown
  readonly replayed: unknown
}

/** Compares all tables of the projections. Memory does not grow with the tables. */
export function compareTables(
  live: ReadModelDatabase,
  replayed: ReadModelDatabase,
): { differenceCount: number; differences: Difference[] } {
  const differences: Difference[] = []
  let differenceCount = 0
  for (const table of tablesOf(replayed.$client)) {
    for (const difference of compareRows(table, rowsOf(live.$client, table), rowsOf(replayed.$client, table))) {
      differenceCount++
      if (differences.length < DESCRIBED) differences.push(difference)
    }
  }
  return { differenceCount, differences }
}

type Row = Readonly<Record<string, unknown>>

interface Table {
  readonly name: string
  /** Columns of the primary key. */
  readonly key: readonly string[]
  /** Of an FTS5 table the terms are compared, each with the number of its rows. */
  readonly isSearchIndex: boolean
}

const OWN_TABLES = [getTableName(checkpoint), getTableName(parkedEvents), '__drizzle_migrations']

function tablesOf(client: Database.Database): Table[] {
  const list = client.prepare<[], { name: string; type: string }>(
    "SELECT name, type FROM pragma_table_list WHERE schema = 'main' AND name NOT LIKE 'sqlite_%' ORDER BY name",
  )
  const key = client.prepare<[string], string>('SELECT name FROM pragma_table_info(?) WHERE pk > 0 ORDER BY pk').pluck()
  return list.all().flatMap(({ name, type }): Table[] => {
    if (type === 'virtual') return [{ name, key: ['term'], isSearchIndex: true }]
    if (type !== 'table' || OWN_TABLES.includes(name)) return []
    return [{ name, key: key.all(name), isSearchIndex: false }]
  })
}

function rowsOf(client: Database.Database, { name, key, isSearchIndex }: Table): Iterator<Row> {
  if (isSearchIndex) client.exec(`CREATE VIRTUAL TABLE temp."${name} terms" USING fts5vocab(main, "${name}", row)`)
  const from = isSearchIndex ? `temp."${name} terms"` : `main."${name}"`
  const order = key.map((column) => `"${column}"`).join()
  return client.prepare<[], Row>(`SELECT * FROM ${from} ORDER BY ${order}`).iterate()
}

/** Walks both sides in the order of their key. */
function* compareRows({ name, key }: Table, live: Iterator<Row>, replayed: Iterator<Row>): Iterable<Difference> {
  let left = live.next()
  let right = replayed.next()
  while (!left.done || !right.done) {
    const order = left.done ? 1 : right.done ? -1 : compareKeys(key, left.value, right.value)
    const row: Row = order <= 0 ? left.value : right.value
    const at = { table: name, key: key.map((column) => String(row[column])).join(' ') }
    if (order < 0) yield { ...at, column: undefined, live: row, replayed: undefined }
    else if (order > 0) yield { ...at, column: undefined, live: undefined, replayed: row }
    else
      for (const column of Object.keys(row)) {
        const [ours, theirs] = [left.value?.[column], right.value?.[column]]
        if (!isSame(ours, theirs)) yield { ...at, column, live: ours, replayed: theirs }
      }
    if (order <= 0) left = live.next()
    if (order >= 0) right = replayed.next()
  }
}

function compareKeys(key: readonly string[], left: Row, right: Row): number {
  for (const column of key) {
    const order = compareValues(left[column], right[column])
    if (order !== 0) return order
  }
  return 0
}

/** SQLite's order of numbers, and of text in UTF-8. */
function compareValues(left: unknown, right: unknown): number {
  if (typeof left === 'number' && typeof right === 'number') return left - right
  return Buffer.compare(Buffer.from(String(left)), Buffer.from(String(right)))
}

function isSame(left: unknown, right: unknown): boolean {
  return Buffer.isBuffer(left) && Buffer.isBuffer(right) ? left.equals(right) : left === right
}
