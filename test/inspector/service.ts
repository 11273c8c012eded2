import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { EventStoreDBClient } from '@eventstore/db-client'
import Database from 'better-sqlite3'
import { pino } from 'pino'
import { ulid } from 'ulid'
import { afterAll } from 'vitest'
import { readConfig } from '../../src/config.ts'
import { type Service, serve } from '../../src/main.ts'
import { Generations } from '../../src/read-model/generations.ts'
import { eventStoreUrl } from '../support/event-store.ts'

/** A whole service on the event store of the tests, on a port of its own, closed after the tests of the file. */
export async function startInspected(environment: Readonly<Record<string, string>> = {}) {
  const dataDir = mkdtempSync(join(tmpdir(), 'rollbook-inspector-'))
  const config = readConfig({ EVENTSTORE_URL: await eventStoreUrl(), DATA_DIR: dataDir, PORT: '0', ...environment })
  const service: Service = await serve(config, pino({ level: 'silent' }), new AbortController().signal)
  const client = EventStoreDBClient.connectionString(config.eventStoreUrl ?? '')
  afterAll(async () => {
    await service.close()
    await client.dispose()
    rmSync(dataDir, { recursive: true, force: true })
  })
  return { url: service.url, close: () => service.close(), client, dataDir }
}

/** A registration that anybody could append. */
export const registrationOf = (email: string, id = ulid()) =>
  ({ type: 'UserRegistered', data: { id, name: 'Ada', email } }) as const

/** Takes a user out of the read model behind the service's back, so that another one can have the id. */
export function removeUser(dataDir: string, id: string): void {
  const file = new Generations(join(dataDir, 'read-model')).current()
  if (file === undefined) throw new Error('there is no read model')
  const db = new Database(file)
  db.prepare('DELETE FROM users WHERE id = ?').run(id)
  db.close()
}
