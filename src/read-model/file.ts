import { createHash } from 'node:crypto'
import { statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import Database from 'better-sqlite3'
import { drizzle } from 'drizzle-orm/better-sqlite3'
import { migrate } from 'drizzle-orm/better-sqlite3/migrator'
import { readMigrationFiles } from 'drizzle-orm/migrator'
import type { Position } from '../cqrs/event.ts'
import type { LastEvent } from './apply.ts'
import type { Projection, ReadModelDatabase } from './projection.ts'
import { isPassing } from './sqlite-faults.ts'
import { checkpoint } from './tables.ts'

const migrationsFolder = fileURLToPath(new URL('../../projections/migrations', import.meta.url))

/** Makes a new file with empty tables. The checkpoint is at the start of the log. */
export function createFile(file: string, projections: readonly Projection[]): ReadModelDatabase {
  const db = drizzle({ client: new Database(file) })
  try {
    db.$client.pragma('journal_mode = WAL')
    // A crash may take the last transactions away, rows and checkpoint alike: the log brings them back.
    db.$client.pragma('synchronous = NORMAL')
    migrate(db, { migrationsFolder })
    db.insert(checkpoint)
      .values({ id: 1, schemaVersion: schemaVersion(projections) })
      .run()
    return db
  } catch (error) {
    db.$client.close()
    throw error
  }
}

/**
 * @param options.timeout milliseconds to wait for who has locked it: 5,000 by default, in which nothing else is done
 * @throws {UnusableFile} it is missing, corrupt, no database, or of another schema version.
 */
export function openFile(
  file: string,
  projections: readonly Projection[],
  options: { readonly readonly?: boolean; readonly timeout?: number } = {},
): ReadModelDatabase {
  let client: Database.Database | undefined
  try {
    client = new Database(file, { ...options, fileMustExist: true })
    client.pragma('synchronous = NORMAL')
    const db = drizzle({ client })
    const found = db.select().from(checkpoint).get()?.schemaVersion
    if (found === schemaVersion(projections)) return db
    throw new UnusableFile(file, `it has schema version ${found}, and ${schemaVersion(projections)} is wanted`)
  } catch (error) {
    client?.close()
    if (error instanceof UnusableFile || (isPassing(error) && statSync(file, { throwIfNoEntry: false })?.isFile()))
      throw error
    throw new UnusableFile(file, error instanceof Error ? error.message : String(error))
  }
}

/** How far a file has come: both undefined where nothing is applied. */
export interface Checkpoint {
  /** Every event at or before it is applied or parked. */
  readonly position?: Position
  readonly lastEvent?: LastEvent
}

export function checkpointOf(db: ReadModelDatabase): Checkpoint {
  const { position = null, lastEvent = null, lastEventId: id = null } = db.select().from(checkpoint).get() ?? {}
  return {
    ...(position !== null && { position }),
    ...(lastEvent !== null && id !== null && { lastEvent: { position: lastEvent, id } }),
  }
}

/** Changes with any migration and with the version of any projection. */
function schemaVersion(projections: readonly Projection[]): string {
  const migrations = readMigrationFiles({ migrationsFolder }).map(({ hash }) => hash)
  const handlers = projections.map(({ name, version }) => `${name} ${version}`).sort()
  return createHash('sha256')
    .update(JSON.stringify([migrations, handlers]))
    .digest('hex')
    .slice(0, 16)
}

/** A file that cannot be served. It takes nothing but a replay of the log to replace it. */
export class UnusableFile extends Error {
  override readonly name = 'UnusableFile'
  readonly file: string
  readonly reason: string

  constructor(file: string, reason: string) {
    super(`read model ${file} cannot be used: ${reason}`)
    this.file = file
    this.reason = reason
  }
}
