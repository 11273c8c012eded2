import { randomUUID } from 'node:crypto'
import { GossipService } from '@eventstore/db-client/generated/gossip_grpc_pb.js'
import gossip from '@eventstore/db-client/generated/gossip_pb.js'
import { ServerFeaturesService } from '@eventstore/db-client/generated/serverfeatures_grpc_pb.js'
import features from '@eventstore/db-client/generated/serverfeatures_pb.js'
import shared from '@eventstore/db-client/generated/shared_pb.js'
import { StreamsService } from '@eventstore/db-client/generated/streams_grpc_pb.js'
import type streams from '@eventstore/db-client/generated/streams_pb.js'
import * as grpc from '@grpc/grpc-js'
import { onTestFinished } from 'vitest'

type BatchAppendCall = grpc.ServerDuplexStream<streams.BatchAppendReq, streams.BatchAppendResp>

export interface FakeNode {
  readonly address: string
  /** Ends it at once, as a crash would. */
  kill(): void
}

export interface FakeNodeOptions {
  /** Does what a node would with an append; nothing by default. */
  readonly onAppend?: (request: streams.BatchAppendReq, call: BatchAppendCall) => void
  /** The address of the leader that it names when it is asked for its cluster: where undefined, it knows none. */
  readonly leader?: () => string | undefined
}

/** What no real node does when it is told to: it answers appends with any failure, and names any leader. */
export async function startFakeNode({ onAppend, leader }: FakeNodeOptions): Promise<FakeNode> {
  const server = new grpc.Server()
  const refuse = (_: unknown, answer: grpc.sendUnaryData<never>) => answer({ code: grpc.status.UNIMPLEMENTED })
  const read = (call: grpc.ServerWritableStream<streams.ReadReq, streams.ReadResp>) => call.destroy()
  server.addService(StreamsService, {
    ...{ read, append: refuse, delete: refuse, tombstone: refuse },
    batchAppend: (call: BatchAppendCall) => void call.on('data', (request) => onAppend?.(request, call)),
  })
  server.addService(ServerFeaturesService, { getSupportedMethods })
  server.addService(GossipService, {
    read: (_: unknown, answer: grpc.sendUnaryData<gossip.ClusterInfo>) => answer(null, clusterOf(leader?.())),
  })
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    )
  })
  onTestFinished(() => server.forceShutdown())
  return { address: `127.0.0.1:${port}`, kill: () => server.forceShutdown() }
}

function getSupportedMethods(_: unknown, answer: grpc.sendUnaryData<features.SupportedMethods>): void {
  const method = new features.SupportedMethod()
  method.setServiceName('event_store.client.streams.streams').setMethodName('batchappend')
  answer(null, new features.SupportedMethods().setEventStoreServerVersion('23.10.6').setMethodsList([method]))
}

function clusterOf(leader: string | undefined): gossip.ClusterInfo {
  if (leader === undefined) return new gossip.ClusterInfo()
  const [address = '', port = ''] = leader.split(':')
  const member = new gossip.MemberInfo()
    .setInstanceId(new shared.UUID().setString(randomUUID()))
    .setTimeStamp('0')
    .setState(gossip.MemberInfo.VNodeState.LEADER)
    .setIsAlive(true)
    .setHttpEndPoint(new gossip.EndPoint().setAddress(address).setPort(Number(port)))
  return new gossip.ClusterInfo().setMembersList([member])
}
