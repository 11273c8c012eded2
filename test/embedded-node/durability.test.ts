import { execFileSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { EventStoreDBClient, jsonEvent, NO_STREAM } from '@eventstore/db-client'
import { expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { type NodeProcess, startNodeProcess } from '../support/node-process.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

// Every client here breaks its batch call, which would reject the appends of all clients in this process: one at a time.

const event = (filling = '') => jsonEvent({ type: 't', data: { filling } })

const clientOf = (node: NodeProcess) => EventStoreDBClient.connectionString(`esdb://${node.address}?tls=false`)

async function streamsIn(node: NodeProcess): Promise<string[]> {
  const client = clientOf(node)
  const streams: string[] = []
  for await (const { event: read } of client.readAll()) if (read?.type === 't') streams.push(read.streamId)
  await client.dispose()
  return streams
}

test('every append that was acknowledged before a kill -9 is there once after it', async () => {
  const dataDir = temporaryFolder()
  const acknowledged: string[] = []
  for (let kill = 0; kill < 5; kill++) {
    const node = await startNodeProcess(dataDir)
    const client = clientOf(node)
    const target = acknowledged.length + 300
    const writers = Array.from({ length: 32 }, async () => {
      for (let isUp = true; isUp; ) {
        const stream = `s-${randomUUID()}`
        isUp = await client.appendToStream(stream, event(), { expectedRevision: NO_STREAM }).then(
          () => acknowledged.push(stream) > 0,
          () => false,
        )
      }
    })
    await eventually(() => acknowledged.length >= target, '300 appends are acknowledged')
    await node.kill()
    await Promise.all(writers)
    await client.dispose()
  }
  const node = await startNodeProcess(dataDir)
  const found = await streamsIn(node)
  await node.kill()
  expect(new Set(found).size).toBe(found.length)
  const missing = acknowledged.filter((stream) => !found.includes(stream))
  expect(missing).toEqual([])
}, 60_000)

test('a full disk refuses appends, not reads, and appends go on when there is room again', async () => {
  const dataDir = temporaryFolder()
  // No file of this process may grow beyond 1 MiB: what a full disk is to one that writes a log.
  const node = await startNodeProcess(dataDir, "trap '' XFSZ; ulimit -S -f 2048")
  const client = clientOf(node)
  const acknowledged: string[] = []
  const refused: unknown[] = []
  const append = async (): Promise<boolean> => {
    const stream = `s-${randomUUID()}`
    try {
      await client.appendToStream(stream, event('x'.repeat(20_000)), { expectedRevision: NO_STREAM })
      acknowledged.push(stream)
      return true
    } catch (error) {
      refused.push(error)
      return false
    }
  }
  await eventually(async () => !(await append()), 'an append is refused')
  expect(refused).toMatchObject([{ type: 'unknown' }])
  expect(acknowledged.length).toBeGreaterThan(5)
  expect(await streamsIn(node)).toEqual(acknowledged)
  if (process.platform === 'linux') {
    execFileSync('prlimit', ['--pid', String(node.process.pid), '--fsize=unlimited:'])
    await eventually(append, 'an append succeeds again')
  }
  await client.dispose()
  await node.kill()
  const restarted = await startNodeProcess(dataDir)
  expect(await streamsIn(restarted)).toEqual(acknowledged)
  await restarted.kill()
}, 60_000)
