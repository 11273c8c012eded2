import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connectEventStore } from '../../src/eventstoredb/event-store.ts'
import { projections } from '../../src/main.ts'
import { inspect } from '../../src/read-model/inspect.ts'
import type { ReadModelDatabase } from '../../src/read-model/projection.ts'
import { StoreReplaced } from '../../src/read-model/projector.ts'
import { rebuild } from '../../src/read-model/rebuild.ts'
import { verify } from '../../src/read-model/verify.ts'
import type { FinalState, Observation, Rebuild } from './checker.ts'
import type { FoldedUser } from './fold.ts'
import type { ServiceUnderTest } from './world.ts'

/** A look at the live file, past the service; undefined where there is none that can be read now. */
export function observe({ name, readModelDir }: ServiceUnderTest): Observation | undefined {
  try {
    const { file, position, value } = inspect(readModelDir, projections, countsOf)
    return { service: name, file, position, ...value }
  } catch {
    // It is being built or recovered after a crash.
    return undefined
  }
}

export function finalState({ name, readModelDir }: ServiceUnderTest): FinalState {
  const read = (db: ReadModelDatabase) => ({ ...countsOf(db), users: usersOf(db), digest: digestOf(db) })
  const { file, position, value } = inspect(readModelDir, projections, read)
  return { service: name, file, position, ...value }
}

/**
 * What the log gives when it is replayed from its start. Others may write to a store that is not ours alone: then the
 * rows are compared as they were at the position of the live file.
 */
export async function rebuilt(service: ServiceUnderTest): Promise<Rebuild> {
  const dir = mkdtempSync(join(tmpdir(), 'rollbook-rebuilt-'))
  const log = connectEventStore(service.storeUrl)
  const look = (from: string) => inspect(from, projections, digestOf)
  try {
    const before = look(service.readModelDir)
    if (before.parkedCount === 0) {
      await rebuild({ log, dir, projections })
      const [live, after] = [look(service.readModelDir), look(dir)]
      if (live.lastEvent?.id === after.lastEvent?.id) {
        return { service: service.name, live: live.value, rebuilt: after.value }
      }
    }
    const { differences } = await verify({ log, dir: service.readModelDir, projections })
    return { service: service.name, live: '[]', rebuilt: JSON.stringify(differences) }
  } catch (error) {
    // It has events that the log has not.
    if (error instanceof StoreReplaced) return { service: service.name, live: '[]', rebuilt: error.message }
    throw error
  } finally {
    await log.close()
    rmSync(dir, { recursive: true, force: true })
  }
}

/** Of users only: they are what the record is about. */
const countsOf = ({ $client }: ReadModelDatabase) => ({
  total: $client.prepare<[], number>('SELECT total FROM user_count').pluck().get() ?? -1,
  parked: $client.prepare<[], number>(PARKED).pluck().get() ?? -1,
})

const PARKED = "SELECT count(*) FROM parked_events WHERE stream LIKE 'user-%'"

const usersOf = ({ $client }: ReadModelDatabase): FoldedUser[] =>
  $client.prepare<[], FoldedUser>('SELECT position, id, name, email FROM users ORDER BY position').all()

/** Of all tables of the projections, and of the terms in the search index. */
function digestOf({ $client }: ReadModelDatabase): string {
  $client.exec('CREATE VIRTUAL TABLE temp.terms USING fts5vocab(main, users_search, row)')
  const hash = createHash('sha256')
  for (const rows of [
    'users ORDER BY position',
    'user_count',
    'todos ORDER BY position',
    'todo_count',
    'temp.terms ORDER BY term',
  ]) {
    for (const row of $client.prepare(`SELECT * FROM ${rows}`).iterate()) hash.update(`${JSON.stringify(row)}\n`)
  }
  $client.exec('DROP TABLE temp.terms')
  return hash.digest('hex').slice(0, 16)
}
