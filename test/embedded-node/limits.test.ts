import { randomUUID } from 'node:crypto'
import { binaryEvent, EventStoreDBClient, jsonEvent, NO_STREAM, type RecordedEvent } from '@eventstore/db-client'
import shared from '@eventstore/db-client/generated/shared_pb.js'
import { StreamsClient } from '@eventstore/db-client/generated/streams_grpc_pb.js'
import streams from '@eventstore/db-client/generated/streams_pb.js'
import { credentials, status } from '@grpc/grpc-js'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { eventStoreUrl } from '../support/event-store.ts'

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

const MAX_APPEND = 1024 * 1024
const CLASSIC = { credentials: { username: 'admin', password: 'changeit' } }
const name = () => `limits-${randomUUID()}`

async function revisionsOf(stream: string): Promise<RecordedEvent[]> {
  const events: RecordedEvent[] = []
  for await (const { event } of client.readStream(stream)) if (event !== undefined) events.push(event)
  return events
}

describe.each([
  ['BatchAppend', {}],
  ['Append', CLASSIC],
])('an append by %s', (_, options) => {
  // Data, metadata and twice the type's length count.
  const sized = (size: number) => binaryEvent({ type: 'four', data: Buffer.alloc(size - 8, 1) })

  test('may be as large as the limit', async () => {
    const stream = name()
    await client.appendToStream(stream, [sized(MAX_APPEND)], options)
    expect(await revisionsOf(stream)).toMatchObject([
      { data: expect.toSatisfy((data) => data.length === MAX_APPEND - 8) },
    ])
  })

  test('may not be larger, in one event or in several', async () => {
    const stream = name()
    const refusal = { type: 'maximum-append-size-exceeded', maxAppendSize: MAX_APPEND }
    await expect(client.appendToStream(stream, [sized(MAX_APPEND + 1)], options)).rejects.toMatchObject(refusal)
    const several = [sized(600_000), sized(600_000)]
    await expect(client.appendToStream(stream, several, options)).rejects.toMatchObject(refusal)
    await client.appendToStream(stream, [sized(100)], { ...options, expectedRevision: NO_STREAM })
  })

  test('needs a type', async () => {
    const untyped = [jsonEvent({ type: '', data: {} })]
    await expect(client.appendToStream(name(), untyped, options)).rejects.toMatchObject({ type: 'unknown' })
  })
})

test('a message of more than 16 MiB ends the call with RESOURCE_EXHAUSTED', async () => {
  const error = await new Promise((resolve) => {
    const call = raw.append(resolve)
    const options = new streams.AppendReq.Options().setAny(new shared.Empty())
    options.setStreamIdentifier(new shared.StreamIdentifier().setStreamName(Buffer.from(name())))
    call.on('error', () => {})
    call.write(new streams.AppendReq().setOptions(options))
    const message = new streams.AppendReq.ProposedMessage().setData(Buffer.alloc(16 * 1024 * 1024))
    call.write(new streams.AppendReq().setProposedMessage(message))
  })
  expect(error).toMatchObject({ code: status.RESOURCE_EXHAUSTED })
})
