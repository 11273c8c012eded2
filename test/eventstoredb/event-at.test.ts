import { promisify } from 'node:util'
import grpc from '@eventstore/db-client/generated/streams_grpc_pb.js'
import type streams from '@eventstore/db-client/generated/streams_pb.js'
import type { ServerWritableStream } from '@grpc/grpc-js'
import { Server, ServerCredentials, status } from '@grpc/grpc-js'
import { expect, it, onTestFinished } from 'vitest'
import { connectEventStore } from '../../src/eventstoredb/event-store.ts'

type Read = ServerWritableStream<streams.ReadReq, streams.ReadResp>

/** A store that answers every read from a position with gRPC status 2, as EventStoreDB does where no record begins. */
async function storeWithout(answersAtTheEnd: boolean) {
  const server = new Server()
  server.addService(grpc.StreamsService, {
    read(call: Read) {
      const isFromPosition = call.request.getOptions()?.getAll()?.hasPosition() ?? false
      if (answersAtTheEnd && !isFromPosition) call.end()
      else call.emit('error', { code: status.UNKNOWN, details: 'Exception was thrown by handler.' })
    },
  })
  const bind = promisify(server.bindAsync.bind(server))
  const port = await bind('127.0.0.1:0', ServerCredentials.createInsecure())
  const store = connectEventStore(`esdb://127.0.0.1:${port}?tls=false`, { deadline: 2_000 })
  onTestFinished(async () => {
    await store.close()
    server.forceShutdown()
  })
  return store
}

it('a position at which no record begins has no event', async () => {
  const store = await storeWithout(true)
  expect(await store.eventAt(17)).toBeUndefined()
})

it('a store that answers nothing but errors is away, and says nothing of its events', async () => {
  const store = await storeWithout(false)
  await expect(store.eventAt(17)).rejects.toMatchObject({ name: 'StoreUnavailable' })
})
