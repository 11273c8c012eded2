import { randomUUID } from 'node:crypto'
import { binaryEvent, jsonEvent } from '@eventstore/db-client'
import shared from '@eventstore/db-client/generated/shared_pb.js'
import streams from '@eventstore/db-client/generated/streams_pb.js'
import { status } from '@grpc/grpc-js'
import { describe, expect, test } from 'vitest'
import { connected, freshName, ofAll, ofStream, read, readOptions } from './raw-calls.ts'

const { raw, client } = await connected()

type Options = streams.ReadReq.Options

const BACKWARDS = 1
const THREW = { code: status.UNKNOWN, details: 'Exception was thrown by handler.', trailers: {} }
const NO_EVENTS = { responses: [], failure: undefined }
const MAX_INT64 = 2n ** 63n - 1n
const MAX_UINT64 = 2n ** 64n - 1n

const subscribing = (): Options => readOptions().setSubscription(new streams.ReadReq.Options.SubscriptionOptions())

function filtering(change: (filter: streams.ReadReq.Options.FilterOptions) => unknown = () => {}) {
  const filter = new streams.ReadReq.Options.FilterOptions().setMax(32).setCheckpointintervalmultiplier(1)
  filter.setEventType(new streams.ReadReq.Options.FilterOptions.Expression().setPrefixList(['no such type']))
  change(filter)
  return filter
}

async function written(...types: string[]): Promise<string> {
  const stream = freshName()
  await client.appendToStream(
    stream,
    types.map((type) => jsonEvent({ type, data: {} })),
  )
  return stream
}

const revisions = ({ responses }: { responses: streams.ReadResp[] }): (string | undefined)[] =>
  responses.map((response) => response.getEvent()?.getEvent()?.getStreamRevision())

describe('a read', () => {
  const invalid: [string, () => Options][] = [
    ['(Stream, None, Forwards, NoFilter)', () => withoutCount().setStream(ofStream('s'))],
    ['(Stream, Count, Forwards, Filter)', () => readOptions().setStream(ofStream('s')).setFilter(filtering())],
    ['(Stream, Count, Backwards, None)', () => withoutFilter().setStream(ofStream('s')).setReadDirection(BACKWARDS)],
    ['(Stream, Subscription, Forwards, Filter)', () => subscribing().setStream(ofStream('s')).setFilter(filtering())],
    ['(All, Subscription, Backwards, NoFilter)', () => subscribing().setAll(ofAll()).setReadDirection(BACKWARDS)],
    ['(All, Count, Forwards, None)', () => withoutFilter().setAll(ofAll())],
  ]

  function withoutCount(): Options {
    const options = readOptions()
    options.clearCount()
    return options
  }

  function withoutFilter(): Options {
    const options = readOptions()
    options.clearNoFilter()
    return options
  }

  test.each(invalid)('of the combination %s is an invalid argument', async (combination, requested) => {
    expect((await read(raw, requested())).failure).toEqual({
      code: status.INVALID_ARGUMENT,
      details: `The combination of ${combination} is invalid.`,
      trailers: {},
    })
  })

  test('of neither a stream nor $all is an invalid argument', async () => {
    expect((await read(raw, readOptions())).failure).toMatchObject({
      code: status.INVALID_ARGUMENT,
      details: expect.stringMatching(/^'None' is not a valid .*StreamOptionOneofCase$/),
    })
  })

  test('through a filter needs a window and an expression', async () => {
    const windowless = filtering((filter) => filter.clearMax())
    expect((await read(raw, readOptions().setAll(ofAll()).setFilter(windowless))).failure).toMatchObject({
      code: status.INVALID_ARGUMENT,
      details: expect.stringMatching(/^'None' is not a valid .*WindowOneofCase$/),
    })
    const senseless = filtering((filter) => filter.clearEventType())
    expect((await read(raw, readOptions().setAll(ofAll()).setFilter(senseless))).failure).toMatchObject({
      code: status.INVALID_ARGUMENT,
    })
    const counted = filtering((filter) => filter.setCount(new shared.Empty()))
    expect(await read(raw, readOptions().setAll(ofAll()).setFilter(counted))).toEqual(NO_EVENTS)
  })

  const throwing: [string, () => Options | undefined][] = [
    ['without options', () => undefined],
    ['of a stream without a name', () => readOptions().setStream(ofStream(''))],
    ['of a stream from nowhere', () => readOptions().setStream(ofStream('s', 'nowhere'))],
    ['of $all from nowhere', () => readOptions().setAll(ofAll('nowhere'))],
    ['from revision 2^63', () => readOptions().setStream(ofStream('s', 2n ** 63n))],
    ['from revision 2^64−2', () => readOptions().setStream(ofStream('s', MAX_UINT64 - 1n))],
    ['from a position with prepare behind commit', () => readOptions().setAll(ofAll({ commit: 5n, prepare: 6n }))],
    ['from position 2^63', () => readOptions().setAll(ofAll({ commit: 2n ** 63n, prepare: 5n }))],
    ['that subscribes behind the highest revision', () => subscribing().setStream(ofStream('s', MAX_INT64))],
    [
      'that subscribes with an interval of 0',
      () =>
        subscribing()
          .setAll(ofAll())
          .setFilter(filtering((filter) => filter.setCheckpointintervalmultiplier(0))),
    ],
  ]

  test.each(throwing)('%s fails', async (_, requested) => {
    expect(await read(raw, requested())).toEqual({ responses: [], failure: THREW })
  })

  test.each([
    ['forwards from the end', () => readOptions().setStream(ofStream('s', 'end'))],
    ['forwards from revision 2^64−1', () => readOptions().setStream(ofStream('s', MAX_UINT64))],
    ['of no events', () => readOptions().setStream(ofStream('s')).setCount('0')],
  ])('of a stream %s is an error', async (_, requested) => {
    const failure = { code: status.UNKNOWN, details: 'Unexpected ReadStreamResult: Error', trailers: {} }
    expect(await read(raw, requested())).toEqual({ responses: [], failure })
  })

  test('from beyond the last revision finds nothing forwards, and begins at the last backwards', async () => {
    const stream = await written('a', 'b', 'c')
    for (const from of [3n, 1_000n, 2n ** 53n, MAX_INT64]) {
      expect(await read(raw, readOptions().setStream(ofStream(stream, from)))).toEqual(NO_EVENTS)
      const backwards = await read(raw, readOptions().setStream(ofStream(stream, from)).setReadDirection(BACKWARDS))
      expect(revisions(backwards)).toEqual(['2', '1', '0'])
    }
    const fromStart = await read(raw, readOptions().setStream(ofStream(stream)).setReadDirection(BACKWARDS))
    expect(revisions(fromStart)).toEqual(['0'])
  })

  test('of $all finds nothing beyond its ends', async () => {
    const beyond = readOptions().setAll(ofAll({ commit: MAX_INT64, prepare: MAX_INT64 }))
    expect(await read(raw, beyond)).toEqual(NO_EVENTS)
    expect(await read(raw, readOptions().setAll(ofAll('end')))).toEqual(NO_EVENTS)
    const end = ofAll({ commit: MAX_UINT64, prepare: MAX_UINT64 })
    expect(await read(raw, readOptions().setAll(end))).toEqual(NO_EVENTS)
    expect(await read(raw, readOptions().setAll(ofAll()).setReadDirection(BACKWARDS))).toEqual(NO_EVENTS)
  })

  test('gives positions to the readers of streams too, and nothing that only newer servers send', async () => {
    const stream = await written('a')
    const options = readOptions()
      .setStream(ofStream(stream))
      .setControlOption(new streams.ReadReq.Options.ControlOption())
    const { responses } = await read(raw, options)
    const [response] = responses
    const event = response?.getEvent()?.getEvent()
    expect(responses).toHaveLength(1)
    expect(response?.getEvent()?.getCommitPosition()).toBe(event?.getCommitPosition())
    expect(event?.getPreparePosition()).toBe(event?.getCommitPosition())
    expect([...(event?.getMetadataMap().keys() ?? [])].sort()).toEqual(['content-type', 'created', 'type'])
    expect(event?.getMetadataMap().get('created')).toMatch(/^\d{17}$/)
  })

  test('gives ids in the structured form unless the string form is asked for', async () => {
    const stream = await written('a')
    const { responses } = await read(
      raw,
      readOptions().setStream(ofStream(stream)).setUuidOption(new streams.ReadReq.Options.UUIDOption()),
    )
    expect(responses[0]?.getEvent()?.getEvent()?.getId()?.hasStructured()).toBe(true)
  })
})

describe('a counted read of $all through a filter', () => {
  const through = (stream: string, count: string, from = ofAll()): Options => {
    const expression = new streams.ReadReq.Options.FilterOptions.Expression().setPrefixList([stream])
    const filter = new streams.ReadReq.Options.FilterOptions().setStreamIdentifier(expression).setMax(1)
    return readOptions().setAll(from).setCount(count).setFilter(filter)
  }

  test('counts what passes, from either end, and sends no checkpoints', async () => {
    const stream = await written('a', 'b', 'c')
    await written('between')
    await client.appendToStream(stream, jsonEvent({ type: 'd', data: {} }))
    expect(revisions(await read(raw, through(stream, '2')))).toEqual(['0', '1'])
    expect(revisions(await read(raw, through(stream, '100')))).toEqual(['0', '1', '2', '3'])
    const backwards = through(stream, '2', ofAll('end')).setReadDirection(BACKWARDS)
    expect(revisions(await read(raw, backwards))).toEqual(['3', '2'])
  })

  test('starts at its position forwards, and before it backwards', async () => {
    const stream = freshName()
    const positions = []
    for (const type of ['a', 'b', 'c']) {
      positions.push((await client.appendToStream(stream, jsonEvent({ type, data: {} }))).position)
    }
    const [, middle] = positions
    if (middle === undefined) throw new Error('An append has no position')
    expect(revisions(await read(raw, through(stream, '9', ofAll(middle))))).toEqual(['1', '2'])
    const before = through(stream, '9', ofAll(middle)).setReadDirection(BACKWARDS)
    expect(revisions(await read(raw, before))).toEqual(['0'])
  })

  test('with no prefixes lets nothing through', async () => {
    const expression = new streams.ReadReq.Options.FilterOptions.Expression()
    const filter = new streams.ReadReq.Options.FilterOptions().setStreamIdentifier(expression).setMax(32)
    expect(await read(raw, readOptions().setAll(ofAll()).setFilter(filter))).toEqual(NO_EVENTS)
  })
})

describe('a link', () => {
  async function linked(...payloads: string[]): Promise<[event: string | undefined, link: string | undefined][]> {
    const links = freshName()
    for (const payload of payloads) await client.appendToStream(links, [link(payload)])
    const { responses } = await read(raw, readOptions().setStream(ofStream(links)).setResolveLinks(true))
    return responses.map((response) => [
      response.getEvent()?.getEvent()?.getMetadataMap().get('type'),
      response.getEvent()?.getLink()?.getMetadataMap().get('type'),
    ])
  }

  const link = (payload: string) => binaryEvent({ type: '$>', data: Buffer.from(payload) })

  const NOTHING: [undefined, string] = [undefined, '$>']
  const UNRESOLVED: [string, undefined] = ['$>', undefined]

  test('is resolved to its target, −1 to the last event; spaces, a sign and zeros do not matter', async () => {
    const stream = await written('first', 'last')
    expect(await linked(`0@${stream}`, `-1@${stream}`, ` +001 @${stream}`)).toEqual([
      ['first', '$>'],
      ['last', '$>'],
      ['last', '$>'],
    ])
  })

  test('to what cannot be read has no event', async () => {
    const [stream, deleted, ended] = [await written('a', 'b'), await written('a'), await written('a')]
    await client.setStreamMetadata(stream, { truncateBefore: 1 })
    await client.deleteStream(deleted)
    await client.tombstoneStream(ended)
    const targets = [
      `0@${stream}`,
      `7@${stream}`,
      `-2@${stream}`,
      `0@${freshName()}`,
      `0@${deleted}`,
      `0@${ended}`,
      '0@',
      '0',
    ]
    expect(await linked(...targets)).toEqual(targets.map(() => NOTHING))
  })

  test('that does not begin with a number of 64 bits is an ordinary event', async () => {
    const payloads = ['', '@', 'one@s', '1.0@s', '0x1@s', '9223372036854775808@s', 'no link']
    expect(await linked(...payloads)).toEqual(payloads.map(() => UNRESOLVED))
  })

  test('to a link is resolved once', async () => {
    const target = await written('a')
    const first = freshName()
    await client.appendToStream(first, [link(`0@${target}`)])
    expect(await linked(`0@${first}`)).toEqual([['$>', '$>']])
  })

  test('to a stream with @ in its name is split at the first one', async () => {
    const stream = `a@b@${randomUUID()}`
    await client.appendToStream(stream, jsonEvent({ type: 'a', data: {} }))
    expect(await linked(`0@${stream}`)).toEqual([['a', '$>']])
  })
})
