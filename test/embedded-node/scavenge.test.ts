import { randomUUID } from 'node:crypto'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import {
  type ANY,
  BACKWARDS,
  END,
  type EventData,
  EventStoreDBClient,
  jsonEvent,
  NO_STREAM,
  type ResolvedEvent,
  START,
} from '@eventstore/db-client'
import { OperationsClient } from '@eventstore/db-client/generated/operations_grpc_pb.js'
import operations from '@eventstore/db-client/generated/operations_pb.js'
import { credentials, status } from '@grpc/grpc-js'
import Database from 'better-sqlite3'
import { describe, expect, onTestFinished, test } from 'vitest'
import { Log } from '../../src/embedded-node/log.ts'
import { startNode } from '../support/embedded-node.ts'
import { eventually } from '../support/eventually.ts'
import { startNodeProcess } from '../support/node-process.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

type Response = { scavengeId: string; scavengeResult: number }
const { STARTED, INPROGRESS, STOPPED } = operations.ScavengeResp.ScavengeResult

class Store {
  readonly client: EventStoreDBClient
  readonly #operations: OperationsClient

  constructor(address: string) {
    this.client = EventStoreDBClient.connectionString(`esdb://${address}?tls=false`)
    this.#operations = new OperationsClient(address, credentials.createInsecure())
  }

  startScavenge(): Promise<Response> {
    const request = new operations.StartScavengeReq().setOptions(new operations.StartScavengeReq.Options())
    return new Promise((resolve, reject) =>
      this.#operations.startScavenge(request, (error, response) =>
        error === null ? resolve(response.toObject()) : reject(error),
      ),
    )
  }

  stopScavenge(id: string): Promise<Response> {
    const request = new operations.StopScavengeReq()
    request.setOptions(new operations.StopScavengeReq.Options().setScavengeId(id))
    return new Promise((resolve, reject) =>
      this.#operations.stopScavenge(request, (error, response) =>
        error === null ? resolve(response.toObject()) : reject(error),
      ),
    )
  }

  /** Runs one to its end and resolves with what its last event says. */
  async scavenge(): Promise<{ result: string; error: string | null; spaceSaved: number; timeTaken: string }> {
    const { scavengeId } = await this.startScavenge()
    return this.endOf(scavengeId)
  }

  async endOf(
    scavengeId: string,
  ): Promise<{ result: string; error: string | null; spaceSaved: number; timeTaken: string }> {
    let end: ResolvedEvent | undefined
    await eventually(
      async () => {
        const events = await this.stream(`$scavenges-${scavengeId}`).catch(() => [])
        end = events.find(({ event }) => event?.type === '$scavengeCompleted')
        return end !== undefined
      },
      'the scavenge has ended',
      60_000,
    )
    return JSON.parse(JSON.stringify(end?.event?.data))
  }

  append(stream: string, ...events: EventData[]) {
    return this.client.appendToStream(stream, events)
  }

  async stream(stream: string, options: object = {}): Promise<ResolvedEvent[]> {
    const events: ResolvedEvent[] = []
    for await (const each of this.client.readStream(stream, options)) events.push(each)
    return events
  }

  async revisions(stream: string, options: object = {}): Promise<number[]> {
    return (await this.stream(stream, options)).map(({ event }) => Number(event?.revision))
  }

  /** `stream/revision` of everything in the log that is no record of a scavenge. */
  async all(): Promise<string[]> {
    const found: string[] = []
    for await (const { event } of this.client.readAll()) {
      if (event !== undefined && !event.streamId.includes('$scavenges'))
        found.push(`${event.streamId}/${event.revision}`)
    }
    return found
  }

  async close(): Promise<void> {
    await this.client.dispose()
    this.#operations.close()
  }
}

async function running(dataDir = temporaryFolder()): Promise<{ store: Store; stop(): Promise<void> }> {
  const node = await startNode({ dataDir, port: 0 })
  const store = new Store(node.address)
  const stop = async (): Promise<void> => {
    await store.close()
    await node.close()
  }
  onTestFinished(stop)
  return { store, stop }
}

const event = (data: object = {}, id = randomUUID()): EventData => jsonEvent({ type: 't', data: { ...data }, id })
const some = (count: number): EventData[] => Array.from({ length: count }, () => event())

describe('a scavenge', () => {
  test('removes what metadata hides, but never the last event of a stream', async () => {
    const { store } = await running()
    for (const stream of ['counted', 'truncated', 'emptied', 'aged', 'deleted', 'whole'])
      await store.append(stream, ...some(5))
    await store.client.setStreamMetadata('counted', { maxCount: 2 })
    await store.client.setStreamMetadata('truncated', { truncateBefore: 3 })
    await store.client.setStreamMetadata('emptied', { truncateBefore: 100 })
    await store.client.setStreamMetadata('whole', { custom: 1 })
    await store.client.deleteStream('deleted')
    await store.client.setStreamMetadata('aged', { maxAge: 1 })
    await eventually(async () => (await store.revisions('aged')).length === 0, 'the events are too old')
    expect(await store.scavenge()).toMatchObject({
      result: 'Success',
      error: null,
      timeTaken: expect.stringMatching(/^00:00:0/),
    })
    const left = (await store.all()).filter((each) => !each.startsWith('$$'))
    expect(left).toEqual([
      ...['counted/3', 'counted/4', 'truncated/3', 'truncated/4', 'emptied/4', 'aged/4', 'deleted/4'],
      ...[0, 1, 2, 3, 4].map((revision) => `whole/${revision}`),
    ])
  })

  test('leaves the tombstone of a stream and nothing of its metadata', async () => {
    const { store } = await running()
    await store.append('gone', ...some(5))
    await store.client.setStreamMetadata('gone', { custom: 1 })
    await store.client.tombstoneStream('gone')
    await store.scavenge()
    expect(await store.all()).toEqual(['gone/9223372036854775807'])
    await expect(store.stream('gone')).rejects.toMatchObject({ type: 'stream-deleted' })
    await expect(store.append('gone', event())).rejects.toMatchObject({ type: 'stream-deleted' })
  })

  test('removes metadata that was replaced', async () => {
    const { store } = await running()
    await store.append('s', event())
    for (let turn = 0; turn < 3; turn++) await store.client.setStreamMetadata('s', { turn })
    await store.scavenge()
    expect(await store.all()).toEqual(['s/0', '$$s/2'])
    expect((await store.client.getStreamMetadata('s')).metadata).toEqual({ turn: 2 })
    await store.client.setStreamMetadata('s', { turn: 3 })
    expect((await store.stream('$$s'))[0]?.event?.revision).toBe(3n)
  })

  test('keeps revisions, positions, reads and subscriptions of what is left, over a restart as well', async () => {
    const dataDir = temporaryFolder()
    const first = await running(dataDir)
    await first.store.append('s', ...some(10))
    const { position } = await first.store.append('other', event())
    await first.store.client.setStreamMetadata('s', { truncateBefore: 7 })
    const before = await first.store.stream('s')
    await first.store.scavenge()
    const check = async (store: Store): Promise<void> => {
      expect(await store.stream('s')).toEqual(before)
      expect(await store.revisions('s', { fromRevision: 2n })).toEqual([7, 8, 9])
      expect(await store.revisions('s', { direction: BACKWARDS, fromRevision: END })).toEqual([9, 8, 7])
      expect(await store.revisions('s', { direction: BACKWARDS, fromRevision: 5n })).toEqual([])
      const got: string[] = []
      const fromOld = store.client.subscribeToStream('s', { fromRevision: 1n })
      fromOld.on('data', ({ event: each }) => void got.push(String(each?.revision)))
      const all: string[] = []
      const everything = store.client.subscribeToAll({ fromPosition: START })
      everything.on('data', ({ event: each }) => {
        if (each?.streamId === 's' || each?.streamId === 'other') all.push(`${each.streamId}/${each.revision}`)
      })
      await eventually(() => got.length === 3 && all.length === 4, 'the subscriptions have what is left')
      await Promise.all([fromOld.unsubscribe(), everything.unsubscribe()])
      expect(got).toEqual(['7', '8', '9'])
      expect(all).toEqual(['s/7', 's/8', 's/9', 'other/0'])
      for await (const { event: each } of store.client.readAll({ fromPosition: position ?? START, maxCount: 1 })) {
        expect(each?.streamId).toBe('other')
      }
    }
    await check(first.store)
    await first.stop()
    const { store } = await running(dataDir)
    await check(store)
    expect((await store.append('s', event())).nextExpectedRevision).toBe(10n)
  })

  test('takes no position back, though the newest event is removed', () => {
    const dataDir = temporaryFolder()
    const log = new Log(dataDir)
    const stream = { stream: 's', type: 't', json: false, created: 0, metadata: Buffer.alloc(0), data: Buffer.alloc(0) }
    log.transaction(() => [0, 1].map((revision) => log.insert({ ...stream, revision, id: randomUUID() })))
    const cleaner = log.cleaner()
    log.transaction(() => {
      cleaner.keepPosition(log.lastPosition)
      for (const event of cleaner.oldestOf('s', 2)) cleaner.remove(event)
    })
    expect(log.allForwards(0, 10).events).toEqual([])
    log.close()
    const again = new Log(dataDir)
    expect(again.lastPosition).toBe(2)
    again.close()
  })

  test('changes no decision about an append', async () => {
    const { store } = await running()
    const ids = some(6)
    await store.client.appendToStream('s', ids, { expectedRevision: NO_STREAM })
    await store.client.setStreamMetadata('s', { truncateBefore: 4 })
    await store.client.appendToStream('d', ids.slice(0, 3), { expectedRevision: NO_STREAM })
    await store.client.deleteStream('d')
    await store.scavenge()
    const append = (stream: string, events: EventData[], expectedRevision: bigint | typeof NO_STREAM | typeof ANY) =>
      store.client.appendToStream(stream, events, { expectedRevision })
    // What is left is recognised at its revision.
    expect(await append('s', ids.slice(4), 3n)).toMatchObject({ nextExpectedRevision: 5n })
    await expect(append('s', some(1), 3n)).rejects.toMatchObject({ type: 'wrong-expected-version' })
    await expect(append('s', some(1), NO_STREAM)).rejects.toMatchObject({ type: 'wrong-expected-version' })
    expect(await append('s', some(1), 5n)).toMatchObject({ nextExpectedRevision: 6n })
    // A deleted stream goes on behind its last revision.
    expect(await append('d', some(1), NO_STREAM)).toMatchObject({ nextExpectedRevision: 3n })
    expect(await store.revisions('d')).toEqual([3])
    await store.scavenge()
    expect(await store.revisions('d')).toEqual([3])
  })

  test('changes no link, and leaves links to what it removed', async () => {
    const dataDir = temporaryFolder()
    const first = await running(dataDir)
    await first.store.append('user-1', ...some(3))
    await first.store.append('user-2', ...some(2))
    await first.store.client.deleteStream('user-1')
    const before = await first.store.stream('$ce-user')
    expect(before.length).toBe(6)
    await first.store.scavenge()
    await first.store.append('user-3', event())
    const after = await first.store.stream('$ce-user')
    expect(after.slice(0, 6)).toEqual(before)
    expect(after.length).toBe(7)
    await first.stop()
    const { store } = await running(dataDir)
    expect(await store.stream('$ce-user')).toEqual(after)
    const resolved = await store.stream('$ce-user', { resolveLinkTos: true })
    expect(resolved.map(({ event: each }) => each?.streamId)).toEqual([
      ...[undefined, undefined, undefined, 'user-2', 'user-2', '$$user-1', 'user-3'],
    ])
  })

  test('leaves links to what it removes, though their first reader comes while it goes on', () => {
    const log = new Log(temporaryFolder())
    onTestFinished(() => log.close())
    const stream = { type: 't', json: false, created: 0, metadata: Buffer.alloc(0), data: Buffer.alloc(0) }
    const places = ['a-1', 'a-2', 'a-3'].flatMap((name) => [0, 1].map((revision) => ({ stream: name, revision })))
    log.transaction(() => {
      for (const place of places) log.insert({ ...stream, ...place, id: randomUUID() })
    })
    const cleaner = log.cleaner()
    const removeFirstOf = (name: string): void => {
      log.transaction(() => {
        for (const event of cleaner.oldestOf(name, 1)) cleaner.remove(event)
      })
    }
    const links = (): string[] => log.streamForwards('$ce-a', 0, 100).events.map(({ data }) => data.toString())
    removeFirstOf('a-1')
    const atFirst = links()
    expect(atFirst).toEqual(['1@a-1', '0@a-2', '1@a-2', '0@a-3', '1@a-3'])
    removeFirstOf('a-2')
    expect(links()).toEqual(atFirst)
  })
})

describe('the calls', () => {
  test('name the scavenge that runs, and refuse to stop another', async () => {
    const { store } = await running()
    const unknown = await store.stopScavenge(randomUUID()).catch((error) => error)
    expect(unknown).toMatchObject({ code: status.NOT_FOUND, details: 'Scavenge id was invalid.' })
    expect(unknown.metadata.getMap()).toMatchObject({ exception: 'scavenge-not-found', 'scavenge-id': '' })
    const [started, second] = await Promise.all([store.startScavenge(), store.startScavenge()])
    expect(started.scavengeResult).toBe(STARTED)
    expect(second).toEqual({ scavengeId: started.scavengeId, scavengeResult: INPROGRESS })
    const stopped = await store.stopScavenge(started.scavengeId)
    expect(stopped).toEqual({ scavengeId: started.scavengeId, scavengeResult: STOPPED })
    expect(await store.endOf(started.scavengeId)).toMatchObject({ result: 'Stopped' })
    await expect(store.stopScavenge(started.scavengeId)).rejects.toMatchObject({ code: status.NOT_FOUND })
  })

  test('leave a record with links to it in $scavenges', async () => {
    const { store } = await running()
    const { scavengeId } = await store.startScavenge()
    await store.endOf(scavengeId)
    await eventually(async () => (await store.stream('$scavenges')).length === 2, 'both links are there')
    const record = await store.stream('$scavenges', { resolveLinkTos: true })
    expect(record.map(({ event: each }) => [each?.streamId, each?.type])).toEqual([
      [`$scavenges-${scavengeId}`, '$scavengeStarted'],
      [`$scavenges-${scavengeId}`, '$scavengeCompleted'],
    ])
    expect(record[0]?.event?.data).toMatchObject({
      scavengeId,
      nodeEndpoint: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
    })
    expect((await store.client.getStreamMetadata(`$scavenges-${scavengeId}`)).metadata).toMatchObject({
      maxAge: 2592000,
    })
  })
})

describe('the space', () => {
  const FILLING = 'x'.repeat(4_000)

  /** 400 deleted streams of 20 KB and 100 that stay. */
  async function filled(store: Store): Promise<void> {
    const fill = async (index: number): Promise<void> => {
      await store.append(`s-${index}`, ...Array.from({ length: 5 }, () => event({ filling: FILLING })))
      if (index % 5 !== 0) await store.client.deleteStream(`s-${index}`)
    }
    await Promise.all(Array.from({ length: 500 }, (_, index) => fill(index)))
  }

  test('goes back while others append', async () => {
    const dataDir = temporaryFolder()
    const first = await running(dataDir)
    await filled(first.store)
    await first.store.revisions('$ce-s')
    await first.stop()
    const { store, stop } = await running(dataDir)
    const file = join(dataDir, 'eventstore.sqlite')
    const before = statSync(file).size
    const { scavengeId } = await store.startScavenge()
    let isOver = false
    let appended = 0
    const appending = (async () => {
      while (!isOver) appended = Number((await store.append('meanwhile-1', event())).nextExpectedRevision) + 1
    })()
    const end = await store.endOf(scavengeId)
    isOver = true
    await appending
    expect(end).toMatchObject({ result: 'Success' })
    expect(end.spaceSaved).toBeGreaterThan(before / 2)
    expect(appended).toBeGreaterThan(3)
    const links = (await store.revisions('$ce-s')).length
    expect((await store.revisions('meanwhile-1')).length).toBe(appended)
    await store.scavenge()
    await stop()
    expect(statSync(file).size).toBeLessThan(before / 2)
    const again = await running(dataDir)
    expect((await again.store.revisions('meanwhile-1')).length).toBe(appended)
    for (let index = 0; index < 500; index += 100)
      expect(await again.store.revisions(`s-${index}`)).toEqual([0, 1, 2, 3, 4])
    expect((await again.store.revisions('$ce-s')).length).toBe(links)
    expect(links).toBe(500 * 5 + 400)
  }, 120_000)

  test('is kept where another reads the log, and goes back later; the node goes on', async () => {
    const dataDir = temporaryFolder()
    const { store } = await running(dataDir)
    await filled(store)
    const reader = new Database(join(dataDir, 'eventstore.sqlite'), { readonly: true })
    onTestFinished(() => void reader.close())
    expect(reader.prepare('SELECT count(*) AS count FROM event').get()).toMatchObject({ count: 500 * 5 + 400 + 1 })
    const error = expect.stringContaining('database is locked')
    expect(await store.scavenge()).toMatchObject({ result: 'Failed', error, spaceSaved: 0 })
    await store.append('s-0', event())
    expect(await store.revisions('s-0')).toEqual([0, 1, 2, 3, 4, 5])
    reader.close()
    const { result, spaceSaved } = await store.scavenge()
    expect(result).toBe('Success')
    expect(spaceSaved).toBeGreaterThan(1_000_000)
    expect(await store.revisions('s-0')).toEqual([0, 1, 2, 3, 4, 5])
  }, 60_000)

  test('goes back or not, and nothing is lost, when the process is killed', async () => {
    const dataDir = temporaryFolder()
    const first = await running(dataDir)
    await filled(first.store)
    const links = await first.store.revisions('$ce-s')
    await first.stop()
    let appended = 0
    for (const delay of [10, 100, 200, 300, 400, 500]) {
      const node = await startNodeProcess(dataDir)
      const store = new Store(node.address)
      await store.startScavenge()
      const until = performance.now() + delay
      while (performance.now() < until) {
        appended = Number((await store.append('meanwhile', event())).nextExpectedRevision) + 1
      }
      await node.kill()
      await store.close()
    }
    const { store } = await running(dataDir)
    expect((await store.revisions('meanwhile')).length).toBe(appended)
    for (let index = 0; index < 500; index += 100) expect(await store.revisions(`s-${index}`)).toEqual([0, 1, 2, 3, 4])
    expect(await store.revisions('$ce-s')).toEqual(links)
    const history = await store.stream('$scavenges', { resolveLinkTos: true })
    const ends = history.filter(({ event: each }) => each?.type === '$scavengeCompleted')
    expect(ends.length).toBe(6)
    expect(await store.scavenge()).toMatchObject({ result: 'Success' })
  }, 120_000)
})
