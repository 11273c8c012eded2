import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { EventStoreDBClient, jsonEvent } from '@eventstore/db-client'
import { afterAll, expect, it, onTestFinished } from 'vitest'
import { NotReadable } from '../../src/cqrs/store-explorer.ts'
import { connectEventStore } from '../../src/eventstoredb/event-store.ts'
import { findStreams } from '../../src/inspector/find-streams.ts'
import { startNode } from '../support/embedded-node.ts'
import { passwordOf, startSecuredNode } from '../support/secured-node.ts'

const dataDir = mkdtempSync(join(tmpdir(), 'rollbook-find-'))
const node = await startNode({ dataDir, port: 0 })
const store = connectEventStore(`esdb://${node.address}?tls=false`)
const client = EventStoreDBClient.connectionString(`esdb://${node.address}?tls=false`)
afterAll(async () => {
  await Promise.all([store.close(), client.dispose()])
  await node.close()
  rmSync(dataDir, { recursive: true, force: true })
})

const events = (count: number) => Array.from({ length: count }, () => jsonEvent({ type: 't', data: {} }))
const find = async (q?: string, system = false) => {
  const { streams, ...facts } = await findStreams(store, { q, system })
  return { names: streams.map(({ name }) => name), facts }
}

it('in a small log, all streams are found, and those that were changed last come first', async () => {
  for (const name of ['a-1', 'b-1', '$c', 'a-1']) await client.appendToStream(name, events(1))
  expect(await find()).toMatchObject({ names: ['a-1', 'b-1'], facts: { isAll: true, more: 0 } })
  expect((await find(undefined, true)).names).toContain('$c')
  expect((await find('A-')).names).toEqual(['a-1'])
})

it('where the log ends in many system events, streams are found that were made last', async () => {
  for (let appended = 0; appended < 1_000; appended += 250) await client.appendToStream('$noise', events(250))
  expect(await find()).toMatchObject({ names: ['b-1', 'a-1'], facts: { events: 1_000 } })
})

it('of many streams some are listed, and the rest is counted', async () => {
  await Promise.all(Array.from({ length: 60 }, (_, index) => client.appendToStream(`many-${index}`, events(1))))
  const { names, facts } = await find('many')
  expect([names.length, facts.more]).toEqual([50, 10])
})

it('a user who may read no more than $all is shown what that has, and is told of the rest that it is denied', async () => {
  const secured = await startSecuredNode({ admin: ['$admins'], reader: [] })
  const admin = secured.clientOf('admin')
  await admin.setStreamMetadata('$all', { acl: { readRoles: ['reader'] } })
  await admin.appendToStream('open-1', events(1))
  const reader = connectEventStore(secured.url(`reader:${passwordOf('reader')}`))
  onTestFinished(() => reader.close())
  const { streams, names } = await findStreams(reader, { q: 'open', system: false })
  expect([streams.map(({ name }) => name), names]).toEqual([['open-1'], undefined])
  const denied = new NotReadable('$streams', 'access-denied')
  await expect(reader.streamPage('$streams', 'newest', 1)).rejects.toThrow(denied)
})
