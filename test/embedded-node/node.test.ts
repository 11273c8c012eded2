import { randomUUID } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { ANY, EventStoreDBClient, jsonEvent, NO_STREAM, START } from '@eventstore/db-client'
import { GossipClient } from '@eventstore/db-client/generated/gossip_grpc_pb.js'
import { ProjectionsClient } from '@eventstore/db-client/generated/projections_grpc_pb.js'
import projections from '@eventstore/db-client/generated/projections_pb.js'
import { ServerFeaturesClient } from '@eventstore/db-client/generated/serverfeatures_grpc_pb.js'
import shared from '@eventstore/db-client/generated/shared_pb.js'
import { credentials, status } from '@grpc/grpc-js'
import { describe, expect, onTestFinished, test } from 'vitest'
import { readNodeAddress } from '../../src/embedded-node/address.ts'
import { startNode } from '../support/embedded-node.ts'
import { eventually } from '../support/eventually.ts'
import { startNodeProcess } from '../support/node-process.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

async function runningNode(dataDir = temporaryFolder()) {
  const node = await startNode({ dataDir, port: 0 })
  onTestFinished(() => node.close())
  return node
}

function clientOf(address: string): EventStoreDBClient {
  const client = EventStoreDBClient.connectionString(`esdb://${address}?tls=false`)
  onTestFinished(() => client.dispose())
  return client
}

const event = () => jsonEvent({ type: 't', data: { n: 1 } })

describe('starting', () => {
  test('makes the folder, takes a free port on loopback and says where it listens', async () => {
    const dataDir = join(temporaryFolder(), 'a', 'b')
    const node = await runningNode(dataDir)
    expect(node.address).toBe(`127.0.0.1:${node.port}`)
    expect(readNodeAddress(dataDir)).toBe(node.address)
    await node.close()
    expect(readNodeAddress(dataDir)).toBeUndefined()
    expect(readdirSync(dataDir).sort()).toEqual(['eventstore.lock', 'eventstore.sqlite'])
  })

  test('is refused with the address of the owner while another process has the log', async () => {
    const dataDir = temporaryFolder()
    const owner = await startNodeProcess(dataDir)
    onTestFinished(() => owner.kill())
    const refusal = { name: 'LogInUse', file: join(dataDir, 'eventstore.sqlite'), address: owner.address }
    await expect(startNode({ dataDir, port: 0 })).rejects.toMatchObject(refusal)
    await owner.kill()
    expect(readNodeAddress(dataDir)).toBeUndefined()
    await runningNode(dataDir)
  })

  test('is refused when the port is taken, and the log is free again', async () => {
    const other = createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => other.once('listening', resolve))
    onTestFinished(() => void other.close())
    const bound = other.address()
    const port = typeof bound === 'object' && bound !== null ? bound.port : 0
    const dataDir = temporaryFolder()
    await expect(startNode({ dataDir, port })).rejects.toMatchObject({ name: 'PortInUse', port })
    await runningNode(dataDir)
  })

  test('makes a log that is not empty, as that of a real server never is', async () => {
    const client = clientOf((await runningNode()).address)
    const types: string[] = []
    for await (const { event: read } of client.readAll({ fromPosition: START })) types.push(read?.type ?? '')
    expect(types).toEqual(['$metadata'])
  })
})

test('an append that was answered before a restart is recognised after it', async () => {
  const dataDir = temporaryFolder()
  const node = await runningNode(dataDir)
  const events = [event(), event()].map((each) => ({ ...each, id: randomUUID() }))
  const first = await clientOf(node.address).appendToStream('s', events, { expectedRevision: NO_STREAM })
  await node.close()
  const client = clientOf((await runningNode(dataDir)).address)
  expect(await client.appendToStream('s', events, { expectedRevision: NO_STREAM })).toEqual(first)
  expect(await client.appendToStream('s', events, { expectedRevision: ANY })).toEqual(first)
  expect(await client.appendToStream('s', event(), { expectedRevision: 1n })).toMatchObject({
    nextExpectedRevision: 2n,
  })
})

describe('closing', () => {
  test('ends open calls with UNAVAILABLE and lets everyone open the log again', async () => {
    const dataDir = temporaryFolder()
    const node = await runningNode(dataDir)
    const client = clientOf(node.address)
    await client.appendToStream('s', event(), { expectedRevision: NO_STREAM })
    const subscription = client.subscribeToAll()
    const caughtUp = new Promise((resolve) => subscription.once('caughtUp', resolve))
    const failure = new Promise((resolve) => subscription.once('error', resolve))
    await caughtUp
    await Promise.all([node.close(), node.close()])
    expect(await failure).toMatchObject({ type: 'unavailable', code: status.UNAVAILABLE })
    const again = await runningNode(dataDir)
    const read: string[] = []
    for await (const { event: found } of clientOf(again.address).readStream('s')) read.push(found?.type ?? '')
    expect(read).toEqual(['t'])
  })

  test('answers no append that it did not commit', async () => {
    const dataDir = temporaryFolder()
    const node = await runningNode(dataDir)
    const client = clientOf(node.address)
    const acknowledged: string[] = []
    const refused: unknown[] = []
    const appends = Array.from({ length: 500 }, async (_, index) => {
      const stream = `s-${index}`
      try {
        await client.appendToStream(stream, event(), { expectedRevision: NO_STREAM })
        acknowledged.push(stream)
      } catch (error) {
        refused.push(error)
      }
    })
    await eventually(() => acknowledged.length > 0, 'an append is acknowledged')
    await node.close()
    await Promise.all(appends)
    for (const error of refused)
      expect(error).toMatchObject({ type: expect.stringMatching(/unavailable|cancelled|unknown/) })
    const again = clientOf((await runningNode(dataDir)).address)
    const found = new Set<string>()
    for await (const { event: read } of again.readAll()) found.add(read?.streamId ?? '')
    expect(acknowledged.filter((stream) => !found.has(stream))).toEqual([])
  })

  test('is noticed when the node dies by itself, and only then', async () => {
    const node = await startNode({ dataDir: temporaryFolder(), port: 0 })
    let failure: Error | undefined
    void node.failed.then((error) => {
      failure = error
    })
    await node.close()
    expect(failure).toBeUndefined()
  })
})

describe('what is offered', () => {
  test('is advertised, and nothing else', async () => {
    const { address } = await runningNode()
    const client = new ServerFeaturesClient(address, credentials.createInsecure())
    onTestFinished(() => client.close())
    const methods = await new Promise<string[]>((resolve, reject) => {
      client.getSupportedMethods(new shared.Empty(), (error, response) => {
        if (error !== null) reject(error)
        else resolve(response.getMethodsList().map((each) => `${each.getServiceName()}/${each.getMethodName()}`))
      })
    })
    expect(methods).toContain('event_store.client.streams.streams/batchappend')
    expect(methods).toContain('event_store.client.persistent_subscriptions.persistentsubscriptions/replayparked')
    expect(methods.filter((method) => /projection|users/.test(method))).toEqual([])
  })

  test('is not a service of a later version: UNIMPLEMENTED', async () => {
    const { address } = await runningNode()
    const client = new ProjectionsClient(address, credentials.createInsecure())
    onTestFinished(() => client.close())
    const error = await new Promise((resolve) => client.create(new projections.CreateReq(), resolve))
    expect(error).toMatchObject({ code: status.UNIMPLEMENTED })
  })

  test('is a leader that clients can be told to find by gossip', async () => {
    const node = await runningNode()
    const client = new GossipClient(node.address, credentials.createInsecure())
    onTestFinished(() => client.close())
    const members = await new Promise<unknown>((resolve, reject) => {
      client.read(new shared.Empty(), (error, response) =>
        error === null ? resolve(response.toObject()) : reject(error),
      )
    })
    const leader = { state: 8, isAlive: true, httpEndPoint: { address: '127.0.0.1', port: node.port } }
    expect(members).toMatchObject({ membersList: [leader] })
    const discovering = EventStoreDBClient.connectionString(`esdb+discover://${node.address}?tls=false`)
    onTestFinished(() => discovering.dispose())
    await discovering.appendToStream('s', event())
  })
})
