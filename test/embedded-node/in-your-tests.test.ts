import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { EventStoreDBClient, jsonEvent } from '@eventstore/db-client'
import { type EmbeddedNode, startNode } from 'rollbook/embedded-node'
import { afterAll, beforeAll, expect, test } from 'vitest'

let dataDir: string
let node: EmbeddedNode
let client: EventStoreDBClient

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'store-'))
  node = await startNode({ dataDir, port: 0 })
  client = EventStoreDBClient.connectionString(`esdb://${node.address}?tls=false`)
})

afterAll(async () => {
  await client.dispose()
  await node.close()
  await rm(dataDir, { recursive: true })
})

test('an order that was placed can be read', async () => {
  await client.appendToStream('order-1', jsonEvent({ type: 'placed', data: { total: 42 } }))
  const types: string[] = []
  for await (const { event } of client.readStream('order-1')) if (event) types.push(event.type)
  expect(types).toEqual(['placed'])
})
