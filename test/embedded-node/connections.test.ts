import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { type ClientHttp2Session, constants } from 'node:http2'
import { connect } from 'node:net'
import { EventStoreDBClient, jsonEvent } from '@eventstore/db-client'
import { StreamsService } from '@eventstore/db-client/generated/streams_grpc_pb.js'
import * as grpc from '@grpc/grpc-js'
import { expect, onTestFinished, test } from 'vitest'
import { guardConnections } from '../../src/embedded-node/connections.ts'
import { eventStoreUrl } from '../support/event-store.ts'
import { eventually } from '../support/eventually.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { Connections, call, closed, framed, http2Frame, PREFACE } from './fuzz/connection.ts'
import { PATHS } from './fuzz/messages.ts'

/** A server that never answers, with limits that a test can reach. */
async function limitedServer(): Promise<Connections> {
  const server = new grpc.Server()
  const handlers = { append: (call: grpc.ServerReadableStream<unknown, unknown>) => call.resume() }
  server.addService({ append: StreamsService.append }, handlers)
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  )
  guardConnections(server, { connections: 3, calls: 10, fewCalls: 2, wideConnections: 1 })
  const connections = new Connections(port)
  onTestFinished(() => {
    connections.closeAll()
    server.forceShutdown()
  })
  return connections
}

test('more connections than the limit are closed, and accepted again when others are gone', async () => {
  const connections = await limitedServer()
  const sessions = Array.from({ length: 3 }, () => connections.http2())
  await Promise.all(sessions.map((session) => once(session, 'remoteSettings')))
  const refused = connections.http2()
  await closed(refused)
  sessions[0]?.destroy()
  await eventually(async () => {
    const session = connections.http2()
    const settings = new Promise((resolve) => session.once('remoteSettings', resolve))
    await Promise.race([settings, closed(session)])
    return !session.closed
  }, 'there is room again')
  expect(sessions.slice(1).map(({ closed }) => closed)).toEqual([false, false])
})

test('beyond the limit of calls, clients with many are refused and those with few are not', async () => {
  const connections = await limitedServer()
  const [greedy, modest] = [connections.http2(), connections.http2()]
  const open = (session: ClientHttp2Session) => {
    const stream = call(session, PATHS.append).resume()
    stream.write(framed(Buffer.alloc(0)))
    return stream
  }
  const many = Array.from({ length: 11 }, () => open(greedy))
  await closed(many[10] ?? greedy)
  expect(many.map(({ rstCode }) => rstCode)).toEqual([...Array(10).fill(0), constants.NGHTTP2_ENHANCE_YOUR_CALM])
  const few = [open(modest), open(modest)]
  const third = open(modest)
  await closed(third)
  expect(third.rstCode).toBe(constants.NGHTTP2_ENHANCE_YOUR_CALM)
  expect(few.map(({ closed }) => closed)).toEqual([false, false])
  for (const stream of many) stream.close(constants.NGHTTP2_CANCEL)
  await eventually(async () => {
    const stream = open(modest)
    const roundTrip = new Promise<void>((resolve) => modest.ping(() => resolve()))
    await roundTrip
    return !stream.closed
  }, 'there is room again')
})

test('few connections may send a whole append ahead, the others 64 KiB', async () => {
  const connections = await limitedServer()
  const windows = ({ remoteSettings, state }: ClientHttp2Session) => [
    remoteSettings.initialWindowSize,
    state.remoteWindowSize,
  ]
  const wide = connections.http2()
  await eventually(() => windows(wide).join() === '1048576,1048576', 'the window is wide')
  const narrow = connections.http2()
  await once(narrow, 'remoteSettings')
  await new Promise<void>((resolve) => narrow.ping(() => resolve()))
  expect(windows(narrow)).toEqual([65_535, 65_535])
})

test('a call with more than 128 headers is refused', async () => {
  const connections = new Connections(Number(new URL(await eventStoreUrl()).port))
  onTestFinished(() => connections.closeAll())
  const session = connections.http2()
  const headers = (count: number): Record<string, string> =>
    Object.fromEntries(Array.from({ length: count }, (_, index) => [`x-${index}`, 'y']))
  const refused = call(session, PATHS.gossip, headers(130)).resume()
  await closed(refused)
  expect(refused.rstCode).toBe(constants.NGHTTP2_ENHANCE_YOUR_CALM)
  const accepted = call(session, PATHS.gossip, headers(100)).resume()
  accepted.end(framed(Buffer.alloc(0)))
  await closed(accepted)
  expect(accepted.rstCode).toBe(constants.NGHTTP2_NO_ERROR)
})

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
