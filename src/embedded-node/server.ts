import { randomUUID } from 'node:crypto'
import { GossipService } from '@eventstore/db-client/generated/gossip_grpc_pb.js'
import gossip from '@eventstore/db-client/generated/gossip_pb.js'
import { MonitoringService } from '@eventstore/db-client/generated/monitoring_grpc_pb.js'
import { OperationsService } from '@eventstore/db-client/generated/operations_grpc_pb.js'
import { ProjectionsService } from '@eventstore/db-client/generated/projections_grpc_pb.js'
import { ServerFeaturesService } from '@eventstore/db-client/generated/serverfeatures_grpc_pb.js'
import features from '@eventstore/db-client/generated/serverfeatures_pb.js'
import shared from '@eventstore/db-client/generated/shared_pb.js'
import { UsersService } from '@eventstore/db-client/generated/users_grpc_pb.js'
import * as grpc from '@grpc/grpc-js'
import { Access } from './access.ts'
import { removeAddressFile, writeAddressFile } from './address.ts'
import { Authentication } from './authentication.ts'
import { boundedRequests } from './bounded-reader.ts'
import { Committer } from './commit.ts'
import { guardConnections } from './connections.ts'
import { CannotListenOn, PortInUse } from './errors.ts'
import { GuardedCall } from './guarded-call.ts'
import { EventWriter } from './links.ts'
import { LiveFeed } from './live-feed.ts'
import { Log } from './log.ts'
import { logFigures, MonitoringCalls, openConnections, processFigures, writerFigures } from './monitoring.ts'
import { operationsCalls, refusal } from './operations.ts'
import { PERSISTENT_METHODS, PersistentCalls, persistentService } from './persistent/calls.ts'
import { Groups } from './persistent/groups.ts'
import { RecentIds } from './recent-ids.ts'
import { Scavenger } from './scavenger.ts'
import { endPoint, type Security } from './security.ts'
import type { NodeStatistics } from './statistics.ts'
import { Streams } from './stream-state.ts'
import { Batched, StreamsCalls, streamsService } from './streams.ts'
import { nowMicros } from './time.ts'
import { uuidToHalves } from './uuid.ts'
import type { WorkerInput } from './worker-messages.ts'

/** The version whose behaviour this server has. */
const SERVER_VERSION = '23.10.6'

/** EventStoreDB's limit of a message to the Streams service. */
const MAX_MESSAGE_BYTES = 16 * 1024 * 1024 - 10_000

const OPTIONS: grpc.ServerOptions = {
  interceptors: [(_method, call) => new Batched(call, new GuardedCall(call))],
  'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
  'grpc.max_send_message_length': -1,
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 10_000,
  'grpc.max_concurrent_streams': 10_000,
  'grpc.enable_channelz': 0,
}

export interface RunningServer {
  readonly port: number
  statistics(): NodeStatistics
  close(): Promise<void>
}

/**
 * Opens the log and serves it. `onShutDown` is called when a client wants the node to be closed.
 *
 * @throws LogInUse, UnknownLogFormat, CorruptLog, LogNotWritable, PortInUse, CannotListenOn
 */
export async function serve({ dataDir, port, security }: WorkerInput, onShutDown: () => void): Promise<RunningServer> {
  const log = new Log(dataDir)
  try {
    // The lock is ours: what the file says is of a node that died.
    removeAddressFile(dataDir)
    if (log.lastPosition === 0) writeFirstEvent(log)
    const streams = new Streams(log)
    const feed = new LiveFeed(log.links)
    const committer = new Committer(log, streams, new RecentIds(log), (events) => feed.publish(events))
    const authentication = security.users && new Authentication(security.users)
    const access = new Access(authentication && { streams, userOf: (call) => authentication.userOf(call) })
    const store = { log, streams, feed, writer: new EventWriter(streams) }
    const calls = new StreamsCalls(store, committer, access)
    const groups = new Groups(store, committer)
    const persistent = new PersistentCalls(groups, access, log.links)
    const server = new grpc.Server(authentication ? withInterceptor(authentication.interceptor) : OPTIONS)
    const bound = { port }
    const scavenger = new Scavenger(log, streams, committer, () => endPoint(security.host, bound.port), endThread)
    const monitoring = new MonitoringCalls([
      processFigures(),
      logFigures(log),
      writerFigures(() => committer.statistics),
    ])
    server.addService(streamsService, calls.handlers)
    server.addService(persistentService, persistent.handlers)
    server.addService(boundedRequests(ServerFeaturesService), { getSupportedMethods })
    server.addService(boundedRequests(GossipService), { read: gossipAbout(bound, security) })
    server.addService(boundedRequests(OperationsService), operationsCalls(scavenger, groups, onShutDown))
    server.addService(boundedRequests(MonitoringService), monitoring.handlers)
    server.addService(boundedRequests(UsersService), refusal(UsersService, 'The users of this server are in a file'))
    server.addService(boundedRequests(ProjectionsService), refusal(ProjectionsService, NO_PROJECTIONS))
    bound.port = await bind(server, port, security)
    guardConnections(server)
    scavenger.noteInterruption()
    writeAddressFile(dataDir, endPoint(security.host, bound.port), security.tls !== undefined)
    const close = async (): Promise<void> => {
      removeAddressFile(dataDir)
      const drained = new Promise<void>((resolve) => server.tryShutdown(() => resolve()))
      scavenger.close()
      committer.stop()
      calls.close()
      persistent.close()
      monitoring.close()
      await Promise.race([drained, new Promise((resolve) => setTimeout(resolve, CLOSE_MS))])
      server.forceShutdown()
      log.close()
    }
    const statistics = (): NodeStatistics => ({
      ...committer.statistics,
      ...{ connections: openConnections(), logBytes: log.size },
    })
    return { port: bound.port, statistics, close }
  } catch (error) {
    log.close()
    throw error
  }
}

/** A database of the real server is never empty: it begins with metadata of streams of its own. */
function writeFirstEvent(log: Log): void {
  const event = { stream: '$$$scavenges', revision: 0, type: '$metadata', id: randomUUID(), json: true }
  const content = { metadata: Buffer.alloc(0), data: Buffer.from('{"$maxAge":2592000}') }
  log.transaction(() => log.insert({ ...event, ...content, created: nowMicros() }))
}

/** Uncaught, it ends the thread: whoever started the node is told why. */
function endThread(error: Error): void {
  setImmediate(() => {
    throw error
  })
}

const NO_PROJECTIONS =
  'This server runs no projections. The streams $streams, $ce-<category> and $et-<type> are always there'

/** How long clients have to take note of the end of their calls. */
const CLOSE_MS = 250

function withInterceptor(interceptor: grpc.ServerInterceptor): grpc.ServerOptions {
  return { ...OPTIONS, interceptors: [...(OPTIONS.interceptors ?? []), interceptor] }
}

async function bind(server: grpc.Server, port: number, { host, tls }: Security): Promise<number> {
  const credentials =
    tls === undefined
      ? grpc.ServerCredentials.createInsecure()
      : grpc.ServerCredentials.createSsl(null, [
          { cert_chain: Buffer.from(tls.certificate), private_key: Buffer.from(tls.key) },
        ])
  try {
    return await new Promise((resolve, reject) => {
      server.bindAsync(endPoint(host, port), credentials, (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      )
    })
  } catch (error) {
    server.forceShutdown()
    const reason = error instanceof Error ? error.message : String(error)
    throw reason.includes('EADDRINUSE') ? new PortInUse(port, host) : new CannotListenOn(host, port, reason)
  }
}

const OPERATIONS = Object.values(OperationsService).map(({ path }) => path.split('/').at(-1)?.toLowerCase() ?? '')

type Unary<Request, Response> = grpc.handleUnaryCall<Request, Response>

/** Only what is implemented is advertised; clients choose their ways by it. */
const getSupportedMethods: Unary<shared.Empty, features.SupportedMethods> = (_call, answer) => {
  const response = new features.SupportedMethods().setEventStoreServerVersion(SERVER_VERSION)
  const add = (service: string, method: string, supports: readonly string[] = []): void => {
    response.addMethods(
      new features.SupportedMethod()
        .setServiceName(service)
        .setMethodName(method)
        .setFeaturesList([...supports]),
    )
  }
  add('event_store.client.streams.streams', 'read', ['position', 'events'])
  add('event_store.client.streams.streams', 'append')
  add('event_store.client.streams.streams', 'batchappend', ['deadline_duration'])
  add('event_store.client.streams.streams', 'delete')
  add('event_store.client.streams.streams', 'tombstone')
  for (const method of PERSISTENT_METHODS) {
    add('event_store.client.persistent_subscriptions.persistentsubscriptions', method, ['stream', 'all'])
  }
  for (const method of OPERATIONS) add('event_store.client.operations.operations', method)
  add('event_store.client.monitoring.monitoring', 'stats')
  add('event_store.client.gossip.gossip', 'read')
  add('event_store.client.server_features.serverfeatures', 'getsupportedmethods')
  answer(null, response)
}

function gossipAbout(
  bound: { readonly port: number },
  { host, tls }: Security,
): Unary<shared.Empty, gossip.ClusterInfo> {
  const { most, least } = uuidToHalves(randomUUID())
  const halves = new shared.UUID.Structured()
    .setMostSignificantBits(String(most))
    .setLeastSignificantBits(String(least))
  const instance = new shared.UUID().setStructured(halves)
  return (call, answer) => {
    // A certificate is valid for names: the one that the client has used already is one that it can use again.
    const asked = tls === undefined ? undefined : /^(.+):(\d+)$/.exec(call.getHost())
    const member = new gossip.MemberInfo()
      .setInstanceId(instance)
      .setTimeStamp(`${Date.now()}0000`)
      .setState(gossip.MemberInfo.VNodeState.LEADER)
      .setIsAlive(true)
      .setHttpEndPoint(new gossip.EndPoint().setAddress(asked?.[1] ?? host).setPort(Number(asked?.[2] ?? bound.port)))
    answer(null, new gossip.ClusterInfo().setMembersList([member]))
  }
}
