import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:http2'
import shared from '@eventstore/db-client/generated/shared_pb.js'
import { StreamsService } from '@eventstore/db-client/generated/streams_grpc_pb.js'
import streams from '@eventstore/db-client/generated/streams_pb.js'
import { Metadata, type ServiceError, status } from '@grpc/grpc-js'
import { describe, expect, test } from 'vitest'
import { eventStoreUrl } from '../support/event-store.ts'
import { eventually } from '../support/eventually.ts'
import {
  append,
  appendEvent,
  appendOptions,
  connected,
  expecting,
  type Failed,
  failed,
  freshName,
  identifier,
  structured,
  uuid,
} from './raw-calls.ts'

const { raw, client } = await connected()

const THREW = { code: status.UNKNOWN, details: 'Exception was thrown by handler.', trailers: {} }
const NIL = '00000000-0000-0000-0000-000000000000'

async function eventsOf(stream: string) {
  const events = []
  for await (const { event } of client.readStream(stream)) events.push(event)
  return events
}

const inWords = (outcome: streams.AppendResp | Failed): unknown =>
  outcome instanceof streams.AppendResp ? outcome.toObject() : outcome

describe('an Append call', () => {
  const throwing: [string, () => streams.AppendReq[]][] = [
    ['without a message', () => []],
    ['that begins with an event', () => [appendEvent()]],
    ['with options twice', () => [appendOptions('s', 'any'), appendOptions('s', 'any')]],
    ['with an empty message', () => [appendOptions('s', 'any'), new streams.AppendReq()]],
    ['to a stream without a name', () => [appendOptions('', 'any'), appendEvent()]],
    ['that expects revision 2^63', () => [appendOptions('s', 2n ** 63n), appendEvent()]],
    ['with an event of the UUID of zeros', () => [appendOptions('s', 'any'), appendEvent({ id: uuid(NIL) })]],
    ['with an event whose id is no UUID', () => [appendOptions('s', 'any'), appendEvent({ id: uuid('one') })]],
    ['with an event whose id is empty', () => [appendOptions('s', 'any'), appendEvent({ id: new shared.UUID() })]],
    [
      'with an event whose type is empty',
      () => [appendOptions('s', 'any'), appendEvent({ metadata: { type: '', 'content-type': 'application/json' } })],
    ],
  ]

  test.each(throwing)('%s fails', async (_, requests) => {
    expect(await append(raw, ...requests())).toEqual(THREW)
  })

  test('that expects nothing is an invalid argument', async () => {
    const type = 'EventStore.Client.Streams.AppendReq+Types+Options+ExpectedStreamRevisionOneofCase'
    expect(await append(raw, appendOptions('s', 'nothing'), appendEvent())).toEqual({
      code: status.INVALID_ARGUMENT,
      details: `'None' is not a valid ${type}`,
      trailers: {},
    })
  })

  test.each([
    ['type', { 'content-type': 'application/json' }],
    ['content-type', { type: 't' }],
  ])('with an event without a %s names what is required', async (missing, metadata) => {
    expect(await append(raw, appendOptions(freshName(), 'any'), appendEvent({ metadata }))).toEqual({
      code: status.INVALID_ARGUMENT,
      details: `Required Metadata Property '${missing}' is missing`,
      trailers: {
        exception: 'missing-required-metadata-property',
        'required-metadata-properties': 'type,content-type',
      },
    })
  })

  test('fails without a half-close as soon as an event is too large', async () => {
    const failure = await new Promise((resolve) => {
      const call = raw.append((error) => resolve(error === null ? error : failed(error)))
      call.on('error', () => {})
      call.write(appendOptions(freshName(), 'any'))
      call.write(appendEvent({ data: Buffer.alloc(5 * 1024 * 1024) }))
    })
    expect(failure).toEqual({
      code: status.INVALID_ARGUMENT,
      details: 'Maximum Append Size of 1048576 Exceeded.',
      trailers: { exception: 'maximum-append-size-exceeded', 'maximum-append-size': '1048576' },
    })
  })

  test('whose connection breaks before the half-close writes nothing', async () => {
    const stream = freshName()
    const session = connect(`http://${new URL(await eventStoreUrl()).host}`)
    const headers = { 'content-type': 'application/grpc', te: 'trailers' }
    const call = session.request({ ':method': 'POST', ':path': StreamsService.append.path, ...headers })
    call.on('error', () => {})
    for (const request of [appendOptions(stream, 'any'), appendEvent()]) {
      const message = request.serializeBinary()
      const head = Buffer.alloc(5)
      head.writeUInt32BE(message.length, 1)
      await new Promise((sent) => call.write(Buffer.concat([head, message]), sent))
    }
    const closed = once(session, 'close')
    session.destroy()
    await closed
    await client.appendToStream(freshName(), [])
    await expect(eventsOf(stream)).rejects.toMatchObject({ type: 'stream-not-found' })
  })

  test('that is not half-closed in its time is over, and writes nothing', async () => {
    const stream = freshName()
    const inTime = new Metadata()
    inTime.set('grpc-timeout', '100m')
    const failure = new Promise<ServiceError | null>((resolve) => {
      const call = raw.append(inTime, resolve)
      call.on('error', () => {})
      call.write(appendOptions(stream, 'any'))
      call.write(appendEvent())
    })
    expect(await failure).toMatchObject({ code: status.DEADLINE_EXCEEDED })
    await expect(eventsOf(stream)).rejects.toMatchObject({ type: 'stream-not-found' })
  })

  test('takes ids in every form, and keeps no metadata but type and content type', async () => {
    const stream = freshName()
    const ids = Array.from({ length: 4 }, () => randomUUID())
    const [one = '', two = '', three = '', four = ''] = ids
    await append(
      raw,
      appendOptions(stream, 'no stream'),
      appendEvent({ id: structured(one) }),
      appendEvent({ id: uuid(two.toUpperCase()) }),
      appendEvent({ id: uuid(`{${three}}`) }),
      appendEvent({
        id: uuid(four.replaceAll('-', '')),
        metadata: { type: 'ünïcode 🚀', 'content-type': 'text/plain', more: 'x' },
        data: Buffer.from([0, 255]),
        custom: Buffer.from('no JSON'),
      }),
    )
    const events = await eventsOf(stream)
    expect(events.map((event) => event?.id)).toEqual(ids)
    expect(events[3]).toMatchObject({ type: 'ünïcode 🚀', isJson: false, data: new Uint8Array([0, 255]) })
  })

  test('that meets another version says so in the words of every client version', async () => {
    const stream = freshName()
    await append(raw, appendOptions(stream, 'any'), appendEvent(), appendEvent())
    expect(inWords(await append(raw, appendOptions(stream, 7n), appendEvent()))).toMatchObject({
      wrongExpectedVersion: {
        currentRevision: '1',
        currentRevision2060: 1,
        expectedRevision: '7',
        expectedRevision2060: 7,
      },
    })
    expect(inWords(await append(raw, appendOptions(freshName(), 'exists'), appendEvent()))).toMatchObject({
      wrongExpectedVersion: { currentNoStream: {}, noStream2060: {}, expectedStreamExists: {}, streamExists2060: {} },
    })
  })

  test('that expects revision 2^64−1 expects no stream', async () => {
    const stream = freshName()
    const request = (): streams.AppendReq => appendOptions(stream, 2n ** 64n - 1n)
    expect(inWords(await append(raw, request(), appendEvent()))).toMatchObject({ success: { currentRevision: '0' } })
    expect(inWords(await append(raw, request(), appendEvent()))).toMatchObject({
      wrongExpectedVersion: { currentRevision: '0', expectedNoStream: {} },
    })
  })

  test('without events to a new stream succeeds at no stream', async () => {
    const response = await append(raw, appendOptions(freshName(), 'no stream'))
    expect(inWords(response)).toMatchObject({ success: { noStream: {}, position: expect.anything() } })
  })
})

describe.each(['Delete', 'Tombstone'] as const)('a %s call', (kind) => {
  const options = kind === 'Delete' ? streams.DeleteReq.Options : streams.TombstoneReq.Options
  type Expected = Parameters<typeof appendOptions>[1]

  function call(stream: string, expected: Expected): Promise<unknown> {
    return send(expecting(new options(), expected).setStreamIdentifier(identifier(stream)))
  }

  function send(requested: streams.DeleteReq.Options | streams.TombstoneReq.Options | undefined): Promise<unknown> {
    return new Promise((resolve) => {
      const done = (error: ServiceError | null, response: { toObject(): unknown } | undefined): void =>
        resolve(error === null ? response?.toObject() : failed(error))
      if (kind === 'Delete') raw.delete(new streams.DeleteReq().setOptions(requested), done)
      else raw.tombstone(new streams.TombstoneReq().setOptions(requested), done)
    })
  }

  test('without options, without a name or at a revision there is none of fails', async () => {
    expect(await send(undefined)).toEqual(THREW)
    expect(await call('', 'any')).toEqual(THREW)
    expect(await call('s', 2n ** 63n)).toEqual(THREW)
  })

  test('that expects nothing is an invalid argument', async () => {
    expect(await call('s', 'nothing')).toMatchObject({ code: status.INVALID_ARGUMENT })
  })

  test('that meets another version fails with both', async () => {
    const stream = `raw-${randomUUID()}`
    await append(raw, appendOptions(stream, 'any'), appendEvent())
    expect(await call(stream, 5n)).toEqual({
      code: status.FAILED_PRECONDITION,
      details: `Delete failed due to WrongExpectedVersion. Stream: ${stream}, Expected version: 5, Actual version: 0`,
      trailers: {
        exception: 'wrong-expected-version',
        'stream-name': stream,
        'expected-version': '5',
        'actual-version': '0',
      },
    })
  })

  test('works with any expectation that holds, also that the stream exists', async () => {
    for (const expected of ['any', 'exists', 0n] as const) {
      const stream = freshName()
      await append(raw, appendOptions(stream, 'any'), appendEvent())
      expect(await call(stream, expected)).toMatchObject({ position: { commitPosition: expect.any(String) } })
    }
    expect(await call(freshName(), 'exists')).toMatchObject({
      trailers: { 'expected-version': '-4', 'actual-version': '-1' },
    })
  })

  test('of a tombstoned stream fails, with the name in the trailers', async () => {
    const stream = `raw-${randomUUID()}`
    await client.tombstoneStream(stream)
    const deleted = { code: status.FAILED_PRECONDITION, details: `Event stream '${stream}' is deleted.` }
    const trailers = { exception: 'stream-deleted', 'stream-name': stream }
    expect(await call(stream, 'any')).toEqual({ ...deleted, trailers })
    expect(await append(raw, appendOptions(stream, 'any'), appendEvent())).toEqual({ ...deleted, trailers })
  })
})

test('a message between 4 and 16 MiB is read, and one above ends the call', async () => {
  const size = (bytes: number) =>
    append(raw, appendOptions(freshName(), 'any'), appendEvent({ data: Buffer.alloc(bytes) }))
  expect(await size(15 * 1024 * 1024)).toMatchObject({ trailers: { exception: 'maximum-append-size-exceeded' } })
  expect(await size(17 * 1024 * 1024)).toMatchObject({ code: status.RESOURCE_EXHAUSTED })
  await eventually(async () => inWords(await append(raw, appendOptions(freshName(), 'any'))) !== null, 'others go on')
})

test.each([
  'a name with spaces',
  'ünïcode 🚀 名前',
  `long ${'x'.repeat(20_000)}`,
  'quo"te and back\\slash and %25',
  'a@b@c',
])('a stream may be called %s', async (name) => {
  const stream = `${name} ${randomUUID()}`
  expect(inWords(await append(raw, appendOptions(stream, 'no stream'), appendEvent()))).toMatchObject({
    success: { currentRevision: '0' },
  })
  expect((await eventsOf(stream)).map((event) => event?.streamId)).toEqual([stream])
})
