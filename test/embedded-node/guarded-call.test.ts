import { once } from 'node:events'
import { constants } from 'node:http2'
import { EventStoreDBClient, jsonEvent } from '@eventstore/db-client'
import { StreamsService } from '@eventstore/db-client/generated/streams_grpc_pb.js'
import * as grpc from '@grpc/grpc-js'
import { expect, onTestFinished, test } from 'vitest'
import { GuardedCall, type Kept, kept } from '../../src/embedded-node/guarded-call.ts'
import { type Frames, joined } from '../../src/embedded-node/outbox.ts'
import { Batched } from '../../src/embedded-node/streams.ts'
import { startNode } from '../support/embedded-node.ts'
import { eventually } from '../support/eventually.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { Connections, call, closed, framed } from './fuzz/connection.ts'

const PATHS = { append: StreamsService.append.path, read: StreamsService.read.path }

/** A server whose calls are guarded: it never answers an append, and a read with a message of 1,000,000 bytes. */
async function guardedServer(among: Kept): Promise<Connections> {
  const interceptor: grpc.ServerInterceptor = (_method, inner) => new Batched(inner, new GuardedCall(inner, among))
  const server = new grpc.Server({ interceptors: [interceptor], 'grpc.max_send_message_length': -1 })
  server.addService(
    { append: StreamsService.append, read: { ...StreamsService.read, responseSerialize: joined } },
    {
      append: (inner: grpc.ServerReadableStream<unknown, unknown>) => inner.resume(),
      read: (inner: grpc.ServerWritableStream<unknown, Frames>) => {
        inner.write([Buffer.alloc(400_000), Buffer.alloc(600_000)])
        inner.end()
      },
    },
  )
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  )
  const connections = new Connections(port)
  onTestFinished(() => {
    connections.closeAll()
    server.forceShutdown()
  })
  return connections
}

const limits = (incomplete: number, untaken = 10_000_000): Kept => kept({ incomplete, untaken })

const partOfMessage = (bytes: number): Buffer => framed(Buffer.alloc(bytes), 1_000_000)

test('parts of messages count until they are whole or their call is over', async () => {
  const among = limits(1_000_000)
  const session = (await guardedServer(among)).http2()
  const [first, second] = [call(session, PATHS.append), call(session, PATHS.append)]
  first.write(partOfMessage(300_000))
  second.write(partOfMessage(200_000))
  await eventually(() => among.incomplete.held === 500_000, 'all parts are counted')
  first.write(Buffer.alloc(700_000))
  await eventually(() => among.incomplete.held === 200_000, 'the message is whole')
  second.close(constants.NGHTTP2_CANCEL)
  await eventually(() => among.incomplete.held === 0, 'the call is over')
})

test('beyond the limit, the message that has been arriving for longest is given up', async () => {
  const among = limits(500_000)
  const session = (await guardedServer(among)).http2()
  const [oldest, other, newest] = [
    call(session, PATHS.append),
    call(session, PATHS.append),
    call(session, PATHS.append),
  ]
  const ended = closed(oldest.resume())
  oldest.write(partOfMessage(100_000))
  await eventually(() => among.incomplete.held === 100_000, 'the first part is counted')
  other.write(partOfMessage(380_000))
  await eventually(() => among.incomplete.held === 480_000, 'the second part is counted')
  newest.write(partOfMessage(100_000))
  await ended
  expect(oldest.rstCode).toBe(constants.NGHTTP2_ENHANCE_YOUR_CALM)
  expect([other.closed, newest.closed]).toEqual([false, false])
  await eventually(() => among.incomplete.held === 480_000, 'the rest of the part is counted')
})

test('answers count until they are taken', async () => {
  const among = limits(1_000_000)
  const session = (await guardedServer(among)).http2({ initialWindowSize: 0 })
  const stream = call(session, PATHS.read)
  stream.end(framed(Buffer.alloc(0)))
  await eventually(() => among.untaken.held === 1_000_000, 'the answer waits')
  let taken = 0
  stream.on('data', (data: Buffer) => {
    taken += data.length
  })
  session.settings({ initialWindowSize: 10_000_000 })
  await once(stream, 'end')
  expect(taken).toBe(1_000_010)
  await eventually(() => among.untaken.held === 0, 'nothing waits')
})

test('beyond the limit, the call that has not taken its answers for longest ends', async () => {
  const among = limits(1_000_000, 2_500_000)
  const session = (await guardedServer(among)).http2({ initialWindowSize: 0 })
  const read = async (before: number) => {
    const stream = call(session, PATHS.read)
    stream.end(framed(Buffer.alloc(0)))
    await eventually(() => among.untaken.held === before + 1_000_000, 'the answer waits')
    return stream
  }
  const [oldest, other] = [await read(0), await read(1_000_000)]
  const ended = closed(oldest)
  const newest = call(session, PATHS.read)
  newest.end(framed(Buffer.alloc(0)))
  await ended
  expect(oldest.rstCode).toBe(constants.NGHTTP2_ENHANCE_YOUR_CALM)
  expect([other.closed, newest.closed]).toEqual([false, false])
  expect(among.untaken.held).toBe(2_000_000)
})

test('a node has what it needs to guard its calls', async () => {
  const faults: string[] = []
  const node = await startNode({ dataDir: temporaryFolder(), port: 0, onFault: (reason) => faults.push(reason) })
  onTestFinished(() => node.close())
  const client = EventStoreDBClient.connectionString(`esdb://${node.address}?tls=false`)
  await client.appendToStream('s', jsonEvent({ type: 'a', data: {} }))
  await client.dispose()
  await node.statistics()
  expect(faults).toEqual([])
})
