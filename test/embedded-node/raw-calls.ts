import { randomUUID } from 'node:crypto'
import { EventStoreDBClient } from '@eventstore/db-client'
import shared from '@eventstore/db-client/generated/shared_pb.js'
import { StreamsClient, StreamsService } from '@eventstore/db-client/generated/streams_grpc_pb.js'
import streams from '@eventstore/db-client/generated/streams_pb.js'
import { type ClientDuplexStream, credentials, type ServiceError } from '@grpc/grpc-js'
import duration from 'google-protobuf/google/protobuf/duration_pb.js'
import empty from 'google-protobuf/google/protobuf/empty_pb.js'
import timestamp from 'google-protobuf/google/protobuf/timestamp_pb.js'
import { afterAll, onTestFinished } from 'vitest'
import { eventStoreUrl } from '../support/event-store.ts'

/** The event store of the tests, by the protocol and by the usual client. One per test file. */
export async function connected(): Promise<{ raw: StreamsClient; client: EventStoreDBClient }> {
  const url = await eventStoreUrl()
  const [raw, client] = [rawClient(url), EventStoreDBClient.connectionString(url)]
  afterAll(async () => {
    raw.close()
    await client.dispose()
  })
  return { raw, client }
}

/** Calls of the Streams service as the protocol has them, for what the usual client never sends. */
export const rawClient = (url: string): StreamsClient =>
  new StreamsClient(new URL(url).host, credentials.createInsecure(), {
    'grpc.max_receive_message_length': -1,
    'grpc.max_send_message_length': -1,
  })

export const freshName = (): string => `raw ${randomUUID()}`

export const identifier = (stream: string): shared.StreamIdentifier =>
  new shared.StreamIdentifier().setStreamName(Buffer.from(stream))

export const uuid = (text: string): shared.UUID => new shared.UUID().setString(text)

export function structured(text: string): shared.UUID {
  const bytes = Buffer.from(text.replaceAll('-', ''), 'hex')
  const halves = new shared.UUID.Structured()
  halves.setMostSignificantBits(String(bytes.readBigInt64BE(0)))
  halves.setLeastSignificantBits(String(bytes.readBigInt64BE(8)))
  return new shared.UUID().setStructured(halves)
}

/** The code, the text and the trailers that a call failed with. */
export interface Failed {
  readonly code: number
  readonly details: string
  readonly trailers: Record<string, unknown>
}

export const failed = ({ code, details, metadata }: ServiceError): Failed => {
  const { 'content-type': _, date: __, ...trailers } = metadata.getMap()
  return { code, details, trailers }
}

type Expect = 'any' | 'no stream' | 'exists' | 'nothing' | bigint

interface ExpectedRevision {
  setAny(value: shared.Empty): unknown
  setNoStream(value: shared.Empty): unknown
  setStreamExists(value: shared.Empty): unknown
  setRevision(value: string): unknown
}

export function expecting<T extends ExpectedRevision>(options: T, expected: Expect): T {
  if (expected === 'any') options.setAny(new shared.Empty())
  else if (expected === 'no stream') options.setNoStream(new shared.Empty())
  else if (expected === 'exists') options.setStreamExists(new shared.Empty())
  else if (expected !== 'nothing') options.setRevision(String(expected))
  return options
}

export const appendOptions = (stream: string, expected: Expect): streams.AppendReq =>
  new streams.AppendReq().setOptions(
    expecting(new streams.AppendReq.Options(), expected).setStreamIdentifier(identifier(stream)),
  )

export interface Proposed {
  readonly id?: shared.UUID | undefined
  readonly metadata?: Readonly<Record<string, string>>
  readonly data?: Buffer
  readonly custom?: Buffer
}

const USUAL = { type: 't', 'content-type': 'application/json' }

export function appendEvent({ id, metadata = USUAL, data, custom }: Proposed = {}): streams.AppendReq {
  const message = new streams.AppendReq.ProposedMessage().setId(id ?? uuid(randomUUID()))
  for (const [key, value] of Object.entries(metadata)) message.getMetadataMap().set(key, value)
  message.setData(data ?? Buffer.from('{}')).setCustomMetadata(custom ?? Buffer.alloc(0))
  return new streams.AppendReq().setProposedMessage(message)
}

/** A whole Append call. */
export function append(raw: StreamsClient, ...requests: streams.AppendReq[]): Promise<streams.AppendResp | Failed> {
  return new Promise((resolve) => {
    const call = raw.append((error, response) => resolve(error === null ? response : failed(error)))
    call.on('error', () => {})
    for (const request of requests) call.write(request)
    call.end()
  })
}

/** A whole Read call. */
export async function read(raw: StreamsClient, options: streams.ReadReq.Options | undefined): Promise<ReadOutcome> {
  const responses: streams.ReadResp[] = []
  return await new Promise((resolve) => {
    const call = raw.read(new streams.ReadReq().setOptions(options))
    call.on('data', (response: streams.ReadResp) => void responses.push(response))
    call.on('error', (error: ServiceError) => resolve({ responses, failure: failed(error) }))
    call.on('end', () => resolve({ responses, failure: undefined }))
  })
}

export interface ReadOutcome {
  readonly responses: streams.ReadResp[]
  /** Undefined when the call ended with status OK. */
  readonly failure: Failed | undefined
}

export const readOptions = (): streams.ReadReq.Options =>
  new streams.ReadReq.Options()
    .setCount('100')
    .setNoFilter(new shared.Empty())
    .setUuidOption(new streams.ReadReq.Options.UUIDOption().setString(new shared.Empty()))

export function ofStream(stream: string, from: 'start' | 'end' | 'nowhere' | bigint = 'start') {
  const options = new streams.ReadReq.Options.StreamOptions().setStreamIdentifier(identifier(stream))
  if (from === 'start') return options.setStart(new shared.Empty())
  if (from === 'end') return options.setEnd(new shared.Empty())
  return from === 'nowhere' ? options : options.setRevision(String(from))
}

export function ofAll(from: 'start' | 'end' | 'nowhere' | { commit: bigint; prepare: bigint } = 'start') {
  const options = new streams.ReadReq.Options.AllOptions()
  if (from === 'start') return options.setStart(new shared.Empty())
  if (from === 'end') return options.setEnd(new shared.Empty())
  if (from === 'nowhere') return options
  const position = new streams.ReadReq.Options.Position()
  return options.setPosition(position.setCommitPosition(String(from.commit)).setPreparePosition(String(from.prepare)))
}

/** An open BatchAppend call and what came back so far. */
export function openBatch(raw: StreamsClient) {
  const call: ClientDuplexStream<streams.BatchAppendReq | Buffer, streams.BatchAppendResp> = raw.makeBidiStreamRequest(
    StreamsService.batchAppend.path,
    (request) => (Buffer.isBuffer(request) ? request : Buffer.from(request.serializeBinary())),
    (bytes) => streams.BatchAppendResp.deserializeBinary(bytes),
  )
  const seen: { answers: BatchAnswer[]; failure: Failed | undefined; ended: boolean } = {
    answers: [],
    failure: undefined,
    ended: false,
  }
  call.on('data', (answer: streams.BatchAppendResp) => void seen.answers.push(inWords(answer)))
  call.on('error', (error: ServiceError) => {
    seen.failure = failed(error)
  })
  call.on('end', () => {
    seen.ended = true
  })
  onTestFinished(() => call.cancel())
  return { call, seen }
}

interface BatchAnswer {
  readonly correlation: string
  readonly stream: string
  /** The revision of a success, or the name of an error's detail. */
  readonly said: string
  readonly code: number | undefined
}

function inWords(answer: streams.BatchAppendResp): BatchAnswer {
  const success = answer.getSuccess()
  const error = answer.getError()
  return {
    correlation: answer.getCorrelationId()?.getString() ?? '',
    stream: Buffer.from(answer.getStreamIdentifier()?.getStreamName_asU8() ?? []).toString(),
    said:
      success === undefined
        ? (error?.getDetails()?.getTypeName().replace('event_store.client.', '') ?? '')
        : success.hasNoStream()
          ? 'no stream'
          : success.getCurrentRevision(),
    code: error?.getCode(),
  }
}

export interface Chunk {
  readonly correlation?: shared.UUID
  readonly options?: streams.BatchAppendReq.Options
  readonly events?: readonly Proposed[]
  readonly final?: boolean
}

export function chunk({ correlation, options, events = [{}], final = true }: Chunk): streams.BatchAppendReq {
  const messages = events.map(({ id, metadata = USUAL, data, custom }) => {
    const message = new streams.BatchAppendReq.ProposedMessage().setId(id ?? uuid(randomUUID()))
    for (const [key, value] of Object.entries(metadata)) message.getMetadataMap().set(key, value)
    return message.setData(data ?? Buffer.from('{}')).setCustomMetadata(custom ?? Buffer.alloc(0))
  })
  const request = new streams.BatchAppendReq().setIsFinal(final).setProposedMessagesList(messages)
  return request.setCorrelationId(correlation).setOptions(options)
}

/** `deadline` is an instant, in milliseconds since the Unix epoch. */
export function batchOptions(stream: string, expected: Expect = 'any', deadline?: number) {
  const options = new streams.BatchAppendReq.Options().setStreamIdentifier(identifier(stream))
  if (expected === 'any') options.setAny(new empty.Empty())
  else if (expected === 'no stream') options.setNoStream(new empty.Empty())
  else if (expected === 'exists') options.setStreamExists(new empty.Empty())
  else if (expected !== 'nothing') options.setStreamPosition(String(expected))
  if (deadline === undefined) return options
  return options.setDeadline(new timestamp.Timestamp().setSeconds(Math.floor(deadline / 1000)))
}

/** The chunk with the deadline of newer clients: a time from now on, in field 7 of the options. */
export function withTimeout(request: streams.BatchAppendReq, milliseconds: number): Buffer {
  const seconds = Math.trunc(milliseconds / 1000)
  const time = new duration.Duration().setSeconds(seconds).setNanos((milliseconds - 1000 * seconds) * 1e6)
  const options = Buffer.concat([
    request.getOptions()?.serializeBinary() ?? Buffer.alloc(0),
    field(7, Buffer.from(time.serializeBinary())),
  ])
  return Buffer.concat([request.clone().setOptions(undefined).serializeBinary(), field(2, options)])
}

/** A field that holds fewer than 128 bytes. */
const field = (number: number, bytes: Buffer): Buffer =>
  Buffer.concat([Buffer.from([number * 8 + 2, bytes.length]), bytes])
