import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { EventStoreDBClient, jsonEvent } from '@eventstore/db-client'
import { expect, onTestFinished, test } from 'vitest'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { http2Frame, PREFACE } from './fuzz/connection.ts'

const dist = (file: string): string =>
  JSON.stringify(new URL(`../../dist/src/embedded-node/${file}`, import.meta.url).href)

/** A node that is so busy that much arrives in one turn of its event loop, and that collects its garbage when a second port gets a byte. */
const BUSY_NODE = `
  import { createServer } from 'node:net'
  const { serve } = await import(${dist('server.js')})
  const { readSecurity } = await import(${dist('security.js')})
  const node = await serve({ dataDir: process.env.DATA_DIR, port: 0, security: readSecurity({}, () => {}) }, () => {})
  const collector = createServer((socket) => socket.on('data', (data) => { gc(); socket.write(data) })).listen(0, '127.0.0.1', () => {
    console.log(node.port + ' ' + collector.address().port)
    setInterval(() => { for (const end = performance.now() + 40; performance.now() < end;); }, 20)
  })
`

test('requests with too many headers, of a client that is gone, do not end the process', async () => {
  const flags = ['--expose-gc', '--input-type=module', '-e', BUSY_NODE]
  const child = spawn(process.execPath, flags, {
    env: { ...process.env, DATA_DIR: temporaryFolder() },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit')
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await exited
  })
  const [line] = await Promise.race([once(child.stdout, 'data'), exited])
  const [port = 0, collector = 0] = String(line).trim().split(' ').map(Number)
  const headers = Buffer.concat([
    Buffer.from([0x83, 0x86, 0x84]),
    Buffer.alloc(1_000, Buffer.from([0x40, 1, 0x61, 1, 0x62])),
  ])
  const requests = Array.from({ length: 15 }, (_, index) => http2Frame(1, 5, 2 * index + 1, headers))
  const goaway = http2Frame(7, 0, 0, Buffer.alloc(8))
  const second = connect(collector, '127.0.0.1').on('error', () => {})
  for (let left = 20; left > 0 && child.signalCode === null; left--) {
    const hostile = connect(port, '127.0.0.1').on('error', () => {})
    hostile.write(PREFACE)
    await Promise.race([once(hostile, 'data'), exited])
    hostile.end(Buffer.concat([...requests, goaway]))
    second.write('.')
    await Promise.race([once(second, 'data'), exited])
  }
  expect(child.signalCode).toBeNull()
  const client = EventStoreDBClient.connectionString(`esdb://127.0.0.1:${port}?tls=false`)
  onTestFinished(() => client.dispose())
  await client.appendToStream('s', jsonEvent({ type: 't', data: {} }))
})
