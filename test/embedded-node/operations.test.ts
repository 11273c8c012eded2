import { once } from 'node:events'
import { connect } from 'node:net'
import {
  EventStoreDBClient,
  jsonEvent,
  persistentSubscriptionToStreamSettingsFromDefaults,
} from '@eventstore/db-client'
import { GossipClient } from '@eventstore/db-client/generated/gossip_grpc_pb.js'
import { MonitoringClient } from '@eventstore/db-client/generated/monitoring_grpc_pb.js'
import monitoring from '@eventstore/db-client/generated/monitoring_pb.js'
import { OperationsClient } from '@eventstore/db-client/generated/operations_grpc_pb.js'
import operations from '@eventstore/db-client/generated/operations_pb.js'
import { ProjectionsClient } from '@eventstore/db-client/generated/projections_grpc_pb.js'
import projections from '@eventstore/db-client/generated/projections_pb.js'
import shared from '@eventstore/db-client/generated/shared_pb.js'
import { UsersClient } from '@eventstore/db-client/generated/users_grpc_pb.js'
import users from '@eventstore/db-client/generated/users_pb.js'
import { type Client, credentials, type ServiceError, status } from '@grpc/grpc-js'
import { describe, expect, onTestFinished, test } from 'vitest'
import { startNode } from '../support/embedded-node.ts'
import { eventStoreUrl } from '../support/event-store.ts'
import { eventually } from '../support/eventually.ts'
import { printed, rollbook, temporaryDirectory } from '../support/processes.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const sharedAddress = async (): Promise<string> => new URL(await eventStoreUrl()).host

async function runningNode() {
  const node = await startNode({ dataDir: temporaryFolder(), port: 0 })
  onTestFinished(() => node.close())
  return node
}

function closedAtEnd<T extends Client>(client: T): T {
  onTestFinished(() => client.close())
  return client
}

const operationsAt = (address: string) => closedAtEnd(new OperationsClient(address, credentials.createInsecure()))

function answer<Response>(call: (callback: (error: ServiceError | null, response: Response) => void) => unknown) {
  return new Promise<Response>((resolve, reject) => {
    call((error, response) => (error === null ? resolve(response) : reject(error)))
  })
}

describe('Operations', () => {
  test('of a single node has no indexes to merge and nobody to resign for', async () => {
    const client = operationsAt((await runningNode()).address)
    const empty = new shared.Empty()
    await answer((callback) => client.mergeIndexes(empty, callback))
    await answer((callback) => client.setNodePriority(new operations.SetNodePriorityReq().setPriority(5), callback))
    await answer((callback) => client.resignNode(empty, callback))
  })

  test('begins persistent subscriptions again', async () => {
    const node = await runningNode()
    const client = EventStoreDBClient.connectionString(`esdb://${node.address}?tls=false`)
    onTestFinished(() => client.dispose())
    await client.createPersistentSubscriptionToStream('s', 'g', persistentSubscriptionToStreamSettingsFromDefaults())
    const consumer = client.subscribeToPersistentSubscriptionToStream('s', 'g')
    const dropped = once(consumer, 'error')
    await once(consumer, 'confirmation')
    await answer((callback) => operationsAt(node.address).restartPersistentSubscriptions(new shared.Empty(), callback))
    expect(await dropped).toMatchObject([{ type: 'persistent-subscription-dropped' }])
    expect(await client.listAllPersistentSubscriptions()).toMatchObject([{ groupName: 'g' }])
  })

  test('refuses to stop a scavenge that does not run', async () => {
    const client = operationsAt(await sharedAddress())
    const request = new operations.StopScavengeReq()
    request.setOptions(new operations.StopScavengeReq.Options().setScavengeId('no such id'))
    await expect(answer((callback) => client.stopScavenge(request, callback))).rejects.toMatchObject({
      code: status.NOT_FOUND,
      details: 'Scavenge id was invalid.',
    })
  })

  test('shuts the node down in order, and says so to whoever started it', async () => {
    const node = await runningNode()
    const client = EventStoreDBClient.connectionString(`esdb://${node.address}?tls=false`)
    onTestFinished(() => client.dispose())
    await client.appendToStream('s', jsonEvent({ type: 't', data: {} }))
    await answer((callback) => operationsAt(node.address).shutdown(new shared.Empty(), callback))
    expect(await node.failed).toMatchObject({ name: 'NodeShutDown' })
    const socket = connect(node.port, '127.0.0.1')
    expect((await once(socket, 'error'))[0]).toMatchObject({ code: 'ECONNREFUSED' })
  })

  test('ends the process of a node that is shut down, with 0', async () => {
    const command = rollbook(['node', '--data-dir', temporaryDirectory(), '--port', '0'])
    const address = await printed(command, /esdb:\/\/(127\.0\.0\.1:\d+)/)
    await answer((callback) => operationsAt(address).shutdown(new shared.Empty(), callback))
    expect(await command.ended, command.output()).toBe(0)
    expect(command.output()).toMatch(/A client has shut the node down/)
  })
})

describe('the command line', () => {
  test('has a node scavenge, running or not', async () => {
    const DATA_DIR = temporaryDirectory()
    const node = rollbook(['node', '--data-dir', DATA_DIR])
    const address = await printed(node, /esdb:\/\/(127\.0\.0\.1:\d+)/)
    const report = /^Scavenge [-0-9a-f]{36} has started\.\nSuccess after 00:00:\S+, \S+ bytes given back\.\n$/
    const running = rollbook(['node', 'scavenge', '--data-dir', DATA_DIR])
    expect(await running.ended, running.output()).toBe(0)
    expect(running.output()).toMatch(report)
    await answer((callback) => operationsAt(address).shutdown(new shared.Empty(), callback))
    await node.ended
    const stopped = rollbook(['node', 'scavenge'], { DATA_DIR })
    expect(await stopped.ended, stopped.output()).toBe(0)
    expect(stopped.output()).toMatch(report)
  })

  test('says where there is nothing to scavenge', async () => {
    const command = rollbook(['node', 'scavenge', '--data-dir', temporaryDirectory()])
    expect(await command.ended).toBe(24)
    expect(command.output()).toMatch(/^rollbook: there is no event store in /)
  })
})

describe('Monitoring', () => {
  function collect(address: string, period: number): Map<string, string>[] {
    const client = closedAtEnd(new MonitoringClient(address, credentials.createInsecure()))
    const request = new monitoring.StatsReq().setRefreshTimePeriodInMs(String(period))
    const call = client.stats(request)
    const received: Map<string, string>[] = []
    call.on('data', (response: monitoring.StatsResp) => received.push(new Map(response.getStatsMap().entries())))
    call.on('error', () => {})
    onTestFinished(() => call.cancel())
    return received
  }

  test('sends statistics at once and then in every period', async () => {
    const received = collect(await sharedAddress(), 1_000)
    await eventually(() => received.length >= 2, 'two messages arrive')
    for (const stats of received) {
      expect(Number(stats.get('proc-mem'))).toBeGreaterThan(10_000_000)
      expect(Number(stats.get('proc-id'))).toBeGreaterThan(0)
      expect(Number(stats.get('proc-cpu'))).toBeGreaterThanOrEqual(0)
      expect(Number(stats.get('es-checksum'))).toBeGreaterThan(0)
      expect([...stats.keys()]).toEqual(expect.arrayContaining(['proc-startTime', 'sys-freeMem', 'sys-loadavg-1m']))
    }
  })

  test('follows the end of the log and the connections', async () => {
    const node = await runningNode()
    const received = collect(node.address, 0)
    await eventually(() => received.length > 0, 'a message arrives')
    const client = EventStoreDBClient.connectionString(`esdb://${node.address}?tls=false`)
    onTestFinished(() => client.dispose())
    const { position } = await client.appendToStream('s', jsonEvent({ type: 't', data: {} }))
    const newest = () => received.at(-1) ?? new Map()
    await eventually(() => newest().get('es-checksum') === String(position?.commit), 'the position shows')
    expect(Number(newest().get('proc-tcp-connections'))).toBe(2)
    expect(Number(newest().get('es-log-bytes'))).toBeGreaterThan(0)
    const before = Number(newest().get('es-writer-fsyncs'))
    await Promise.all(Array.from({ length: 50 }, () => client.appendToStream('s', jsonEvent({ type: 't', data: {} }))))
    await eventually(() => Number(newest().get('es-writer-events')) >= 51, 'the events show')
    const fsyncs = Number(newest().get('es-writer-fsyncs')) - before
    expect(fsyncs).toBeGreaterThan(0)
    expect(fsyncs).toBeLessThan(50)
    expect(Number(newest().get('es-writer-maxEventsPerFsync'))).toBeGreaterThan(1)
  })
})

test('Gossip answers with the one member, which is the leader', async () => {
  const client = closedAtEnd(new GossipClient(await sharedAddress(), credentials.createInsecure()))
  const { membersList } = (
    await answer<{ toObject(): { membersList: object[] } }>((callback) => client.read(new shared.Empty(), callback))
  ).toObject()
  expect(membersList).toMatchObject([
    { state: 8, isAlive: true, instanceId: { structured: { mostSignificantBits: expect.stringMatching(/^-?\d+$/) } } },
  ])
})

describe('what this server does not have', () => {
  test('is UNIMPLEMENTED, with a reason', async () => {
    const { address } = await runningNode()
    const projectionsClient = closedAtEnd(new ProjectionsClient(address, credentials.createInsecure()))
    const usersClient = closedAtEnd(new UsersClient(address, credentials.createInsecure()))
    const unary = answer((callback) => projectionsClient.create(new projections.CreateReq(), callback))
    await expect(unary).rejects.toMatchObject({ code: status.UNIMPLEMENTED, details: expect.stringMatching(/\$ce-/) })
    const [streaming] = await once(projectionsClient.statistics(new projections.StatisticsReq()), 'error')
    expect(streaming).toMatchObject({ code: status.UNIMPLEMENTED })
    const user = answer((callback) => usersClient.create(new users.CreateReq(), callback))
    await expect(user).rejects.toMatchObject({
      code: status.UNIMPLEMENTED,
      details: 'The users of this server are in a file',
    })
    const [details] = await once(usersClient.details(new users.DetailsReq()), 'error')
    expect(details).toMatchObject({ code: status.UNIMPLEMENTED })
  })
})
