import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join, resolve } from 'node:path'
import { EventStoreDBClient, jsonEvent } from '@eventstore/db-client'
import { describe, expect, it, onTestFinished } from 'vitest'
import { printed, rollbook, startNode, temporaryDirectory, waitUntil } from '../support/processes.ts'

describe('a start', () => {
  it.each([
    ['HOST', 2],
    ['DATA_DIR', 20],
  ])('names %s where that cannot be used, and ends with %i', async (variable, exitCode) => {
    const file = join(temporaryDirectory(), 'file')
    writeFileSync(file, '')
    const values = { HOST: ['192.0.2.1', 'nosuch.invalid'], DATA_DIR: [file, '/proc/rollbook', '/proc'] }
    for (const value of values[variable === 'HOST' ? 'HOST' : 'DATA_DIR']) {
      const service = rollbook(['serve'], { DATA_DIR: temporaryDirectory(), [variable]: value })
      expect(await service.ended, service.output()).toBe(exitCode)
      expect(service.output()).toMatch(
        new RegExp(`^rollbook: ${variable}=${value} is not allowed: .*\n(hint: .*\n)?$`, 'm'),
      )
    }
  })

  it.each(['PORT', 'EMBEDDED_NODE_PORT'])('ends with 10 and names %s where that is in use', async (variable) => {
    const other = createServer().listen(0, '127.0.0.1')
    onTestFinished(() => void other.close())
    await once(other, 'listening')
    const bound = other.address()
    const port = String(typeof bound === 'object' && bound?.port)
    const service = rollbook(['serve'], { DATA_DIR: temporaryDirectory(), [variable]: port })
    expect(await service.ended).toBe(10)
    expect(service.output()).toMatch(
      new RegExp(`^rollbook: ${variable}=${port}: .* in use by another .*\nhint: .*\n$`, 'm'),
    )
  })

  it('says where the event store is, without its password', async () => {
    const node = await startNode(temporaryDirectory())
    const EVENTSTORE_URL = node.url.replace('//', '//admin:change%2Fit@')
    const service = rollbook(['serve'], { DATA_DIR: temporaryDirectory(), EVENTSTORE_URL })
    expect(await printed(service, /Event store: (\S+)"/)).toBe(node.url.replace('//', '//***@'))
    expect(service.output()).not.toContain('change')
  })

  it('that a signal comes into ends with 0', async () => {
    const node = await startNode(temporaryDirectory())
    node.process.kill('SIGTERM')
    await node.ended
    const service = rollbook(['serve'], { DATA_DIR: temporaryDirectory(), EVENTSTORE_URL: node.url })
    await waitUntil(() => service.output() !== '', 'the first line of the log')
    expect(service.output()).not.toContain('is up')
    service.process.kill('SIGTERM')
    expect(await service.ended).toBe(0)
    expect(service.output()).toContain('stopped')
  })
})

it.each(['status', 'verify', 'rebuild'])('%s begins no event store of its own', async (name) => {
  const empty = temporaryDirectory()
  for (const DATA_DIR of [empty, join(empty, 'missing')]) {
    const command = rollbook([name], { DATA_DIR })
    expect(await command.ended).toBe(24)
    expect(command.output()).toMatch(
      `rollbook: there is no event store in ${DATA_DIR}: start the service first\nhint: `,
    )
    expect(existsSync(DATA_DIR) ? readdirSync(DATA_DIR) : []).toEqual([])
  }
})

it('a fault of the embedded node is one line of the log, however often it is met', async () => {
  // No file of this process may grow beyond 1 MiB: what a full disk is to one that writes a log.
  const command = `trap '' XFSZ; ulimit -S -f 2048; exec "$0" "$1" node --port 0 --data-dir "$2"`
  const parameters = ['-c', command, process.execPath, resolve('dist/src/cli.js'), temporaryDirectory()]
  const node = spawn('sh', parameters, { stdio: ['ignore', 'pipe', 'pipe'] })
  onTestFinished(() => void node.kill('SIGKILL'))
  const output = { stdout: '', stderr: '' }
  node.stdout.on('data', (chunk) => (output.stdout += chunk))
  node.stderr.on('data', (chunk) => (output.stderr += chunk))
  const url = () => /Event store: (esdb:\/\/[^\s"]+)/.exec(output.stdout)?.[1]
  await waitUntil(() => url() !== undefined, 'the node to listen')
  const client = EventStoreDBClient.connectionString(url() ?? '')
  onTestFinished(() => client.dispose())
  const event = () => jsonEvent({ type: 't', data: { text: 'x'.repeat(50_000) } })
  let refused = 0
  const since = performance.now()
  // The node tries the disk again after each second.
  const isOver = async () => {
    await client.appendToStream('s', event()).catch(() => refused++)
    return refused > 2 && performance.now() - since > 3_000
  }
  await waitUntil(isOver, 'appends to be refused again and again')
  const faults = output.stdout.split('\n').filter((line) => line.includes('fault'))
  expect(faults.map((line) => JSON.parse(line))).toEqual([
    expect.objectContaining({ level: 50, reason: expect.any(String), msg: 'the embedded node met a fault' }),
  ])
  expect(output.stderr).toBe('')
})
