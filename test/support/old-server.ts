import { ServerFeaturesService } from '@eventstore/db-client/generated/serverfeatures_grpc_pb.js'
import features from '@eventstore/db-client/generated/serverfeatures_pb.js'
import { StreamsService } from '@eventstore/db-client/generated/streams_grpc_pb.js'
import streams from '@eventstore/db-client/generated/streams_pb.js'
import * as grpc from '@grpc/grpc-js'
import { onTestFinished } from 'vitest'

/** An empty EventStoreDB of a version that never says that a subscription has caught up. Gives its address. */
export async function startOldServer(version: string): Promise<string> {
  const server = new grpc.Server()
  const refuse = (_: unknown, answer: grpc.sendUnaryData<never>) => answer({ code: grpc.status.UNIMPLEMENTED })
  server.addService(StreamsService, {
    read(call: grpc.ServerWritableStream<streams.ReadReq, streams.ReadResp>) {
      const confirmation = new streams.ReadResp.SubscriptionConfirmation().setSubscriptionId('1')
      if (call.request.getOptions()?.hasSubscription()) call.write(new streams.ReadResp().setConfirmation(confirmation))
      else call.end()
    },
    ...{ append: refuse, delete: refuse, tombstone: refuse, batchAppend: refuse },
  })
  server.addService(ServerFeaturesService, {
    getSupportedMethods: (_: unknown, answer: grpc.sendUnaryData<features.SupportedMethods>) =>
      answer(null, new features.SupportedMethods().setEventStoreServerVersion(version)),
  })
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    )
  })
  onTestFinished(() => server.forceShutdown())
  return `127.0.0.1:${port}`
}
