import { randomUUID } from 'node:crypto'
import { EventStoreDBClient, jsonEvent } from '@eventstore/db-client'
import shared from '@eventstore/db-client/generated/shared_pb.js'
import { StreamsClient } from '@eventstore/db-client/generated/streams_grpc_pb.js'
import streams from '@eventstore/db-client/generated/streams_pb.js'
import { type ClientDuplexStream, credentials, type ServiceError, status } from '@grpc/grpc-js'
import empty from 'google-protobuf/google/protobuf/empty_pb.js'
import timestamp from 'google-protobuf/google/protobuf/timestamp_pb.js'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { eventStoreUrl } from '../support/event-store.ts'
import { eventually } from '../support/eventually.ts'

// What the usual client never sends, but another one may.

let client: EventStoreDBClient
let raw: StreamsClient

beforeAll(async () => {
  const url = await eventStoreUrl()
  client = EventStoreDBClient.connectionString(url)
  raw = new StreamsClient(new URL(url).host, credentials.createInsecure())
})

afterAll(async () => {
  raw.close()
  await client.dispose()
})

const name = () => `protocol-${randomUUID()}`

const identifier = (stream: string) => new shared.StreamIdentifier().setStreamName(Buffer.from(stream))

describe('a batch append', () => {
  type Call = ClientDuplexStream<streams.BatchAppendReq, streams.BatchAppendResp>

  function openCall() {
    const call: Call = raw.batchAppend()
    const answers: streams.BatchAppendResp[] = []
    const seen = { answers, ended: false }
    call.on('data', (answer: streams.BatchAppendResp) => void answers.push(answer))
    call.on('error', () => {})
    call.on('end', () => {
      seen.ended = true
    })
    onTestFinished(() => call.cancel())
    return { call, seen }
  }

  function chunk(correlation: string, events: number, isFinal: boolean): streams.BatchAppendReq {
    const messages = Array.from({ length: events }, () => {
      const message = new streams.BatchAppendReq.ProposedMessage().setId(new shared.UUID().setString(randomUUID()))
      message.getMetadataMap().set('type', 't').set('content-type', 'application/json')
      return message.setData(Buffer.from('1'))
    })
    const request = new streams.BatchAppendReq().setIsFinal(isFinal).setProposedMessagesList(messages)
    return request.setCorrelationId(new shared.UUID().setString(correlation))
  }

  function optionsFor(stream: string, deadline?: number): streams.BatchAppendReq.Options {
    const options = new streams.BatchAppendReq.Options().setStreamIdentifier(identifier(stream))
    options.setAny(new empty.Empty())
    if (deadline !== undefined) options.setDeadline(new timestamp.Timestamp().setSeconds(Math.floor(deadline / 1000)))
    return options
  }

  test('may come in chunks, mixed with those of others, and is written once all are there', async () => {
    const { call, seen } = openCall()
    const [one, two] = [name(), name()]
    const [first, second] = [randomUUID(), randomUUID()]
    call.write(chunk(first, 0, false).setOptions(optionsFor(one)))
    call.write(chunk(second, 2, false).setOptions(optionsFor(two)))
    call.write(chunk(first, 2, false))
    call.write(chunk(second, 1, true))
    call.write(chunk(first, 2, true))
    await eventually(() => seen.answers.length === 2, 'both are answered')
    const revisions = seen.answers.map((answer) => [
      answer.getCorrelationId()?.getString(),
      answer.getSuccess()?.getCurrentRevision(),
    ])
    expect(revisions).toEqual([
      [second, '2'],
      [first, '3'],
    ])
  })

  test('that is not complete in time is a timeout, and what comes later is ignored', async () => {
    const { call, seen } = openCall()
    const stream = name()
    const late = randomUUID()
    call.write(chunk(late, 1, false).setOptions(optionsFor(stream)))
    await eventually(() => seen.answers.length === 1, 'it is answered')
    expect(seen.answers[0]?.getError()?.getCode()).toBe(status.DEADLINE_EXCEEDED)
    expect(seen.answers[0]?.getError()?.getDetails()?.getTypeName()).toBe('event_store.client.Timeout')
    call.write(chunk(late, 1, true))
    call.write(chunk(randomUUID(), 1, true).setOptions(optionsFor(stream)))
    await eventually(() => seen.answers.length === 2, 'the next one is answered')
    expect(seen.answers[1]?.getSuccess()?.getCurrentRevision()).toBe('0')
  })

  test('whose deadline has passed is a timeout at once', async () => {
    const { call, seen } = openCall()
    call.write(chunk(randomUUID(), 1, true).setOptions(optionsFor(name(), Date.now() - 60_000)))
    await eventually(() => seen.answers.length === 1, 'it is answered')
    expect(seen.answers[0]?.getError()?.getCode()).toBe(status.DEADLINE_EXCEEDED)
  })

  test('without a stream name or without an id is a bad request', async () => {
    const { call, seen } = openCall()
    call.write(chunk(randomUUID(), 1, true).setOptions(optionsFor('')))
    const nameless = chunk(randomUUID(), 1, true).setOptions(optionsFor(name()))
    nameless.getProposedMessagesList()[0]?.setId(new shared.UUID().setString('no uuid'))
    call.write(nameless)
    await eventually(() => seen.answers.length === 2, 'both are answered')
    const types = seen.answers.map((answer) => answer.getError()?.getDetails()?.getTypeName())
    expect(types).toEqual(['event_store.client.BadRequest', 'event_store.client.BadRequest'])
  })

  test('is answered before the call ends, when the client has sent its last', async () => {
    const { call, seen } = openCall()
    for (let index = 0; index < 100; index++) call.write(chunk(randomUUID(), 1, true).setOptions(optionsFor(name())))
    call.end()
    await eventually(() => seen.ended, 'the call has ended')
    expect(seen.answers).toHaveLength(100)
  })
})

describe('a read', () => {
  const options = () => new streams.ReadReq.Options().setNoFilter(new shared.Empty()).setCount('10')
  const all = () => new streams.ReadReq.Options.AllOptions().setStart(new shared.Empty())
  const ofStream = (stream: string) => {
    return new streams.ReadReq.Options.StreamOptions()
      .setStreamIdentifier(identifier(stream))
      .setStart(new shared.Empty())
  }

  async function read(requested: streams.ReadReq.Options): Promise<streams.ReadResp[]> {
    const responses: streams.ReadResp[] = []
    for await (const response of raw.read(new streams.ReadReq().setOptions(requested))) responses.push(response)
    return responses
  }

  test('gives ids in the structured form to who asks for it', async () => {
    const stream = name()
    const id = randomUUID()
    await client.appendToStream(stream, jsonEvent({ id, type: 't', data: {} }))
    const structured = new streams.ReadReq.Options.UUIDOption().setStructured(new shared.Empty())
    const [response] = await read(options().setStream(ofStream(stream)).setUuidOption(structured))
    const halves = response?.getEvent()?.getEvent()?.getId()?.getStructured()
    const hex = [halves?.getMostSignificantBits(), halves?.getLeastSignificantBits()].map((half) => {
      return BigInt.asUintN(64, BigInt(half ?? 0))
        .toString(16)
        .padStart(16, '0')
    })
    expect(hex.join('')).toBe(id.replaceAll('-', ''))
  })

  const invalid: [string, () => streams.ReadReq.Options][] = [
    ['neither of a stream nor of $all', options],
    [
      'of a stream with a filter',
      () => options().setStream(ofStream('s')).setFilter(new streams.ReadReq.Options.FilterOptions()),
    ],
    ['with neither a count nor a subscription', () => new streams.ReadReq.Options().setAll(all())],
    ['that subscribes backwards', () => subscribing().setAll(all()).setReadDirection(1)],
    ['with a regex that takes more than linear time', () => filtered('(?=a)')],
    ['with a regex too large', () => filtered('(?:a{100}){100}')],
    ['with too many prefixes', () => prefixed(Array.from({ length: 1_001 }, String))],
    ['with prefixes too long', () => prefixed(['a'.repeat(40_000), 'b'.repeat(40_000)])],
  ]

  function subscribing(): streams.ReadReq.Options {
    return options().setSubscription(new streams.ReadReq.Options.SubscriptionOptions())
  }

  function filtered(regex: string): streams.ReadReq.Options {
    const filter = new streams.ReadReq.Options.FilterOptions().setMax(32).setCheckpointintervalmultiplier(1)
    filter.setEventType(new streams.ReadReq.Options.FilterOptions.Expression().setRegex(regex))
    return subscribing().setAll(all()).setFilter(filter)
  }

  function prefixed(prefixes: string[]): streams.ReadReq.Options {
    const filter = new streams.ReadReq.Options.FilterOptions().setMax(32).setCheckpointintervalmultiplier(1)
    filter.setEventType(new streams.ReadReq.Options.FilterOptions.Expression().setPrefixList(prefixes))
    return subscribing().setAll(all()).setFilter(filter)
  }

  test('with a malformed regex ends as a handler that threw', async () => {
    const failure = await read(filtered('(?<')).catch((error: ServiceError) => error)
    expect(failure).toMatchObject({ code: status.UNKNOWN, details: 'Exception was thrown by handler.' })
  })

  test.each(invalid)('%s is an invalid argument', async (_, requested) => {
    const failure = await read(requested()).catch((error: ServiceError) => error)
    expect(failure).toMatchObject({ code: status.INVALID_ARGUMENT })
  })

  test('with a filter and a count gives the first that pass, in either direction', async () => {
    const stream = name()
    await client.appendToStream(
      stream,
      ['a', 'b', 'a', 'b'].map((type) => jsonEvent({ type, data: {} })),
    )
    const filter = () => {
      const expression = new streams.ReadReq.Options.FilterOptions.Expression().setPrefixList([stream])
      return new streams.ReadReq.Options.FilterOptions().setStreamIdentifier(expression).setMax(32)
    }
    const types = async (requested: streams.ReadReq.Options): Promise<(string | undefined)[]> => {
      const responses = await read(requested.setFilter(filter()).setCount('3'))
      return responses.map((response) => response.getEvent()?.getEvent()?.getStreamRevision())
    }
    expect(await types(options().setAll(all()))).toEqual(['0', '1', '2'])
    const end = new streams.ReadReq.Options.AllOptions().setEnd(new shared.Empty())
    expect(await types(options().setAll(end).setReadDirection(1))).toEqual(['3', '2', '1'])
  })
})
