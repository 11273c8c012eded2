import { EventStoreDBClient, jsonEvent } from '@eventstore/db-client'
import { StreamsService } from '@eventstore/db-client/generated/streams_grpc_pb.js'
import * as grpc from '@grpc/grpc-js'
import { expect, onTestFinished, test } from 'vitest'
import { Budget } from '../../src/embedded-node/budget.ts'
import { GuardedCall } from '../../src/embedded-node/guarded-call.ts'
import { startNode } from '../support/embedded-node.ts'
import { eventually } from '../support/eventually.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { Connections, call, framed } from './fuzz/connection.ts'

/** A server whose calls are guarded and never answered. */
async function guardedServer(budget: Budget): Promise<Connections> {
  const interceptor: grpc.ServerInterceptor = (_method, inner) => {
    new GuardedCall(inner, budget)
    return new grpc.ServerInterceptingCall(inner)
  }
  const server = new grpc.Server({ interceptors: [interceptor] })
  server.addService(
    { append: StreamsService.append },
    {
      append: (inner: grpc.ServerReadableStream<unknown, unknown>) => inner.resume(),
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

const partOfMessage = (bytes: number): Buffer => framed(Buffer.alloc(bytes), 1_000_000)

test('parts of messages count until they are whole or their call is over', async () => {
  const budget = new Budget(1_000_000)
  const session = (await guardedServer(budget)).http2()
  const [first, second] = [call(session, StreamsService.append.path), call(session, StreamsService.append.path)]
  first.write(partOfMessage(300_000))
  second.write(partOfMessage(200_000))
  await eventually(() => budget.held === 500_000, 'all parts are counted')
  first.write(Buffer.alloc(700_000))
  await eventually(() => budget.held === 200_000, 'the message is whole')
  second.close(grpc.status.CANCELLED)
  await eventually(() => budget.held === 0, 'the call is over')
})

test('beyond the limit, calls with large parts are refused and those with small ones are not', async () => {
  const budget = new Budget(500_000)
  const session = (await guardedServer(budget)).http2()
  const [large, small, refused] = [1, 2, 3].map(() => call(session, StreamsService.append.path))
  large?.write(partOfMessage(480_000))
  await eventually(() => budget.held === 480_000, 'the part is counted')
  small?.write(partOfMessage(30_000))
  await eventually(() => budget.held === 510_000, 'the small part is counted')
  let ended = false
  refused?.resume().on('close', () => {
    ended = true
  })
  refused?.write(partOfMessage(200_000))
  await eventually(() => ended, 'the call is refused')
  expect([large?.closed, small?.closed]).toEqual([false, false])
  expect(budget.held).toBe(510_000)
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
