import { randomUUID } from 'node:crypto'
import { PersistentSubscriptionsClient } from '@eventstore/db-client/generated/persistent_grpc_pb.js'
import persistent from '@eventstore/db-client/generated/persistent_pb.js'
import shared from '@eventstore/db-client/generated/shared_pb.js'
import { credentials, type ServiceError, status } from '@grpc/grpc-js'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { eventStoreUrl } from '../../support/event-store.ts'

// What @eventstore/db-client does not send, and other clients do.

let client: PersistentSubscriptionsClient

beforeAll(async () => {
  const { host } = new URL(await eventStoreUrl())
  client = new PersistentSubscriptionsClient(host, credentials.createInsecure())
})

afterAll(() => client.close())

const identifier = (name: string) => new shared.StreamIdentifier().setStreamName(Buffer.from(name))
const settings = () => new persistent.CreateReq.Settings().setHistoryBufferSize(500).setReadBatchSize(20)

function createRequest(stream: string, group: string, options = settings()): persistent.CreateReq {
  const target = new persistent.CreateReq.StreamOptions()
    .setStreamIdentifier(identifier(stream))
    .setStart(new shared.Empty())
  return new persistent.CreateReq().setOptions(
    new persistent.CreateReq.Options().setStream(target).setGroupName(group).setSettings(options),
  )
}

const create = (request: persistent.CreateReq): Promise<ServiceError | null> =>
  new Promise((resolve) => client.create(request, resolve))

/** Sends messages to a Read call and gives what it ends with; undefined when it is confirmed. */
function read(...requests: persistent.ReadReq[]): Promise<ServiceError | undefined> {
  const call = client.read()
  return new Promise((resolve) => {
    call.on('error', resolve)
    call.on('end', () => resolve(undefined))
    call.on('data', () => {
      call.cancel()
      resolve(undefined)
    })
    for (const request of requests) call.write(request)
    if (requests.length === 0) call.end()
  })
}

const joining = (stream: string, group: string, bufferSize: number) =>
  new persistent.ReadReq().setOptions(
    new persistent.ReadReq.Options()
      .setStreamIdentifier(identifier(stream))
      .setGroupName(group)
      .setBufferSize(bufferSize)
      .setUuidOption(new persistent.ReadReq.Options.UUIDOption().setString(new shared.Empty())),
  )

describe('a strategy by its name', () => {
  test.each(['RoundRobin', 'DispatchToSingle', 'Pinned', 'PinnedByCorrelation'])('%s', async (name) => {
    const [stream, group] = [randomUUID(), randomUUID()]
    expect(await create(createRequest(stream, group, settings().setConsumerStrategy(name)))).toBeNull()
    const options = new persistent.GetInfoReq.Options().setStreamIdentifier(identifier(stream)).setGroupName(group)
    const info = await new Promise<string | undefined>((resolve) =>
      client.getInfo(new persistent.GetInfoReq().setOptions(options), (_, response) =>
        resolve(response?.getSubscriptionInfo()?.getNamedConsumerStrategy()),
      ),
    )
    expect(info).toBe(name)
  })

  test('that there is not', async () => {
    const error = await create(createRequest('s', randomUUID(), settings().setConsumerStrategy('Fair')))
    expect(error).toMatchObject({ code: status.INTERNAL })
    expect(error?.details).toContain('Consumer strategy Fair does not exist.')
    expect(error?.metadata.get('exception')).toEqual(['persistent-subscription-failed'])
  })
})

describe('a bad request is refused', () => {
  test('no options', async () => {
    expect(await create(new persistent.CreateReq())).toMatchObject({ code: status.UNKNOWN })
  })

  test.each(['', '$all'])('a stream named "%s"', async (stream) => {
    expect(await create(createRequest(stream, 'g'))).toMatchObject({ code: status.INTERNAL })
  })

  test('a position behind the end of $all', async () => {
    const position = new persistent.CreateReq.Position().setCommitPosition('9007199254740991').setPreparePosition('1')
    const all = new persistent.CreateReq.AllOptions().setPosition(position).setNoFilter(new shared.Empty())
    const options = new persistent.CreateReq.Options().setAll(all).setGroupName(randomUUID()).setSettings(settings())
    expect(await create(new persistent.CreateReq().setOptions(options))).toMatchObject({ code: status.INTERNAL })
  })

  test('a group that cannot keep what one read gives', async () => {
    const error = await create(createRequest('s', randomUUID(), settings().setHistoryBufferSize(20)))
    expect(error).toMatchObject({ code: status.INTERNAL })
  })

  test('a first message that is none, an answer, or has no room for events', async () => {
    const [stream, group] = [randomUUID(), randomUUID()]
    await create(createRequest(stream, group))
    expect(await read()).toBeUndefined()
    const ack = new persistent.ReadReq().setAck(new persistent.ReadReq.Ack())
    expect(await read(ack)).toMatchObject({ code: status.UNKNOWN })
    expect(await read(joining(stream, group, 0))).toMatchObject({ code: status.UNKNOWN })
    expect(await read(joining(stream, group, 1))).toBeUndefined()
  })

  test('a replay that stops before it starts', async () => {
    const options = new persistent.ReplayParkedReq.Options().setStreamIdentifier(identifier('s')).setGroupName('g')
    const request = new persistent.ReplayParkedReq().setOptions(options.setStopAt('-1'))
    const error = await new Promise((resolve) => client.replayParked(request, resolve))
    expect(error).toMatchObject({ code: status.INTERNAL })
  })
})
