import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { EventStoreDBClient, jsonEvent, NO_STREAM } from '@eventstore/db-client'
import { expect, test } from 'vitest'
import { startNode } from '../support/embedded-node.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const event = () => jsonEvent({ type: 't', data: {} })

test('a node counts its commits, and what shares them', async () => {
  const node = await startNode({ dataDir: temporaryFolder(), port: 0 })
  const client = EventStoreDBClient.connectionString(`esdb://${node.address}?tls=false`)
  expect(await node.statistics()).toMatchObject({ commits: 0, events: 0, requests: 0, largestCommit: 0 })
  for (let append = 0; append < 5; append++) await client.appendToStream('s', [event(), event()])
  expect(await node.statistics()).toMatchObject({ commits: 5, events: 10, requests: 5, largestCommit: 2 })
  await expect(client.appendToStream('s', event(), { expectedRevision: NO_STREAM })).rejects.toThrow()
  expect(await node.statistics()).toMatchObject({ commits: 5, events: 10 })
  await Promise.all(Array.from({ length: 200 }, () => client.appendToStream('s', event())))
  const after = await node.statistics()
  expect(after).toMatchObject({ events: 210, requests: 205 })
  expect(after.commits).toBeLessThan(105)
  expect(after.largestCommit).toBeGreaterThan(2)
  expect(after.commitSeconds).toBeGreaterThan(after.longestCommitSeconds)
  expect(after.longestCommitSeconds).toBeGreaterThan(0)
  await client.dispose()
  const closing = node.close()
  await closing
  await expect(node.statistics()).rejects.toThrow('The node has ended')
})

const hasStrace = spawnSync('strace', ['-e', 'trace=fsync', 'true']).status === 0

test.runIf(hasStrace)('a commit is one fsync', async () => {
  const folder = temporaryFolder()
  const module = new URL('../../dist/src/embedded-node/log.js', import.meta.url).href
  const program = `
    const { Log } = await import(${JSON.stringify(module)})
    const { randomUUID } = await import('node:crypto')
    const log = new Log(${JSON.stringify(join(folder, 'data'))})
    const NOTHING = Buffer.alloc(0)
    const common = { stream: 's', type: 't', json: false, created: 1, metadata: NOTHING, data: NOTHING }
    const commit = (revision, events) => log.transaction(() => {
      for (let at = 0; at < events; at++) log.insert({ ...common, revision: revision + at, id: randomUUID() })
    })
    commit(0, 1)
    process.stderr.write('begin\\n')
    for (let at = 0; at < 50; at++) commit(1 + at * 20, 20)
    log.transaction(() => {})
    process.stderr.write('end\\n')
    process.kill(process.pid, 'SIGKILL')
  `
  const trace = join(folder, 'trace')
  const node = [process.execPath, '--input-type=module', '-e', program]
  const child = spawn('strace', ['-f', '-o', trace, '-e', 'trace=fsync,fdatasync,write', ...node])
  await once(child, 'exit')
  const between = /"begin\\n"([\s\S]*)"end\\n"/.exec(readFileSync(trace, 'utf8'))?.[1] ?? ''
  expect(between.match(/f(data)?sync\(/g)).toHaveLength(50)
})
