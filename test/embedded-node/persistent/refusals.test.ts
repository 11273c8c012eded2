import { randomUUID } from 'node:crypto'
import { PersistentSubscriptionsClient } from '@eventstore/db-client/generated/persistent_grpc_pb.js'
import persistent from '@eventstore/db-client/generated/persistent_pb.js'
import shared from '@eventstore/db-client/generated/shared_pb.js'
import { credentials, type ServiceError, status } from '@grpc/grpc-js'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { eventStoreUrl } from '../../support/event-store.ts'
import { type Failed, failed, identifier } from '../raw-calls.ts'

// What EventStoreDB 23.10 refuses, in which words, and what it looks at first.

let client: PersistentSubscriptionsClient

beforeAll(async () => {
  const { host } = new URL(await eventStoreUrl())
  client = new PersistentSubscriptionsClient(host, credentials.createInsecure())
})

afterAll(() => client.close())

type CreateOptions = persistent.CreateReq.Options
type Create = (options: CreateOptions, settings: persistent.CreateReq.Settings) => unknown

const empty = () => new shared.Empty()
const fresh = () => ({ stream: randomUUID(), group: randomUUID() })
const startOf = (stream: string) =>
  new persistent.CreateReq.StreamOptions().setStreamIdentifier(identifier(stream)).setStart(empty())

const HANDLER_THREW = { code: status.UNKNOWN, details: 'Exception was thrown by handler.', trailers: {} }
const TYPES = 'EventStore.Client.PersistentSubscriptions'
const noCase = (type: string) => ({ code: status.INVALID_ARGUMENT, details: `'None' is not a valid ${TYPES}.${type}` })

/** What a request is answered with: nothing, or how it failed. */
const answerOf = (send: (answer: (error: ServiceError | null) => void) => unknown): Promise<Failed | undefined> =>
  new Promise((resolve) => send((error) => resolve(error === null ? undefined : failed(error))))

function create({ stream, group }: { stream: string; group: string }, change: Create = () => {}) {
  const settings = new persistent.CreateReq.Settings().setHistoryBufferSize(500).setReadBatchSize(20)
  const options = new persistent.CreateReq.Options()
    .setStream(startOf(stream))
    .setGroupName(group)
    .setSettings(settings)
  change(options, settings)
  return answerOf((answer) => client.create(new persistent.CreateReq().setOptions(options), answer))
}

type UpdateOptions = persistent.UpdateReq.Options

function update(change: (options: UpdateOptions, settings: persistent.UpdateReq.Settings) => unknown) {
  const settings = new persistent.UpdateReq.Settings().setHistoryBufferSize(500).setReadBatchSize(20)
  const options = new persistent.UpdateReq.Options().setSettings(settings)
  change(options, settings)
  return answerOf((answer) => client.update(new persistent.UpdateReq().setOptions(options), answer))
}

const failing = ({ stream, group }: { stream: string; group: string }, reason: string): Failed => ({
  code: status.INTERNAL,
  details: `Subscription group ${group} on stream ${stream} failed: '${reason}'`,
  trailers: { exception: 'persistent-subscription-failed', 'stream-name': stream, 'group-name': group, reason },
})

const TOO_SMALL =
  "Specified argument was out of range of the valid values. (Parameter 'ReadBatchSize may not be greater than or equal to BufferSize')"

describe('a buffer that does not hold one batch more', () => {
  test('is refused, in a create and in an update', async () => {
    const name = fresh()
    expect(await create(name, (_, settings) => settings.setHistoryBufferSize(20))).toEqual(failing(name, TOO_SMALL))
    expect(await create(name, (_, settings) => settings.setHistoryBufferSize(21))).toBeUndefined()
    const target = new persistent.UpdateReq.StreamOptions().setStreamIdentifier(identifier(name.stream))
    const updated = await update((options, settings) => {
      options.setStream(target.setStart(empty())).setGroupName(name.group)
      settings.setHistoryBufferSize(20).setNamedConsumerStrategy(persistent.UpdateReq.ConsumerStrategy.ROUNDROBIN)
    })
    expect(updated).toEqual(failing(name, TOO_SMALL))
  })

  test('matters less than that the group exists, or that its strategy does not', async () => {
    const name = fresh()
    await create(name)
    const tooSmall: Create = (_, settings) => settings.setHistoryBufferSize(1)
    expect(await create(name, tooSmall)).toMatchObject({ code: status.ALREADY_EXISTS })
    const unknown = await create(name, (_, settings) => settings.setHistoryBufferSize(1).setConsumerStrategy('Fair'))
    expect(unknown).toEqual(failing(name, 'Consumer strategy Fair does not exist.'))
  })
})

test('two groups whose own streams would have the same names cannot be', async () => {
  const { stream, group } = fresh()
  expect(await create({ stream, group: `x::${group}` })).toBeUndefined()
  expect(await create({ stream: `${stream}::x`, group })).toMatchObject({
    code: status.ALREADY_EXISTS,
    trailers: { exception: 'persistent-subscription-exists', 'stream-name': `${stream}::x`, 'group-name': group },
  })
})

test('names as long as those of two streams are too long for the streams of a group', async () => {
  expect(await create({ stream: 's'.repeat(40_000), group: 'g'.repeat(40_000) })).toEqual({
    code: status.INVALID_ARGUMENT,
    details: 'The names of a stream and a group together may have at most 65536 bytes',
    trailers: {},
  })
})

describe('a request that lacks a part', () => {
  const to =
    (all: persistent.CreateReq.AllOptions): Create =>
    (options) =>
      options.setAll(all)
  const filtering = (filter: persistent.CreateReq.AllOptions.FilterOptions) =>
    to(new persistent.CreateReq.AllOptions().setStart(empty()).setFilter(filter))

  test.each<[string, object, Create]>([
    [
      'the stream',
      HANDLER_THREW,
      (options) => options.setStream(new persistent.CreateReq.StreamOptions().setStart(empty())),
    ],
    ['both forms of the stream', HANDLER_THREW, (options) => options.clearStream()],
    [
      'the start in a stream',
      noCase('CreateReq+Types+StreamOptions+RevisionOptionOneofCase'),
      (options) => options.setStream(new persistent.CreateReq.StreamOptions().setStreamIdentifier(identifier('s'))),
    ],
    [
      'the start in $all',
      noCase('CreateReq+Types+AllOptions+AllOptionOneofCase'),
      to(new persistent.CreateReq.AllOptions().setNoFilter(empty())),
    ],
    [
      'what the filter is on',
      noCase('CreateReq+Types+AllOptions+Types+FilterOptions+FilterOneofCase'),
      filtering(new persistent.CreateReq.AllOptions.FilterOptions()),
    ],
    [
      'the end of a group in the regex',
      HANDLER_THREW,
      filtering(
        new persistent.CreateReq.AllOptions.FilterOptions().setEventType(
          new persistent.CreateReq.AllOptions.FilterOptions.Expression().setRegex('(a'),
        ),
      ),
    ],
  ])('a create without %s', async (_, expected, change) => {
    expect(await create({ stream: 's', group: randomUUID() }, change)).toMatchObject(expected)
  })

  test('an update without the start in a stream, and without that in $all', async () => {
    const target = new persistent.UpdateReq.StreamOptions().setStreamIdentifier(identifier('s'))
    expect(await update((options) => options.setStream(target))).toMatchObject(
      noCase('UpdateReq+Types+StreamOptions+RevisionOptionOneofCase'),
    )
    expect(await update((options) => options.setAll(new persistent.UpdateReq.AllOptions()))).toEqual(HANDLER_THREW)
  })
})

describe('a consumer', () => {
  /** What comes first: a confirmation, or how the call failed. */
  function consume(change: (options: persistent.ReadReq.Options) => unknown): Promise<Failed | persistent.ReadResp> {
    const form = new persistent.ReadReq.Options.UUIDOption().setString(empty())
    const options = new persistent.ReadReq.Options().setBufferSize(10).setUuidOption(form)
    change(options)
    const call = client.read()
    return new Promise((resolve) => {
      call.on('error', (error: ServiceError) => resolve(failed(error)))
      call.on('data', (response: persistent.ReadResp) => {
        call.cancel()
        resolve(response)
      })
      call.write(new persistent.ReadReq().setOptions(options))
    })
  }

  test('has to say how it wants ids', async () => {
    const { stream, group } = fresh()
    await create({ stream, group })
    const joining = (options: persistent.ReadReq.Options) =>
      options.setStreamIdentifier(identifier(stream)).setGroupName(group)
    expect(await consume((options) => joining(options).clearUuidOption())).toEqual(HANDLER_THREW)
    expect(await consume(joining)).toBeInstanceOf(persistent.ReadResp)
  })

  test('cannot join a group without a name, though there may be one', async () => {
    const { stream } = fresh()
    expect(await create({ stream, group: '' })).toBeUndefined()
    expect(await consume((options) => options.setStreamIdentifier(identifier(stream)))).toEqual(HANDLER_THREW)
  })

  test('of a group that there is not learns that', async () => {
    const { stream, group } = fresh()
    const failure = await consume((options) => options.setStreamIdentifier(identifier(stream)).setGroupName(group))
    expect(failure).toEqual({
      code: status.NOT_FOUND,
      details: `Subscription group ${group} on stream ${stream} does not exist.`,
      trailers: { exception: 'persistent-subscription-does-not-exist', 'stream-name': stream, 'group-name': group },
    })
  })
})
