import persistent from '@eventstore/db-client/generated/persistent_pb.js'
import shared from '@eventstore/db-client/generated/shared_pb.js'
import streams from '@eventstore/db-client/generated/streams_pb.js'
import fc from 'fast-check'
import empty from 'google-protobuf/google/protobuf/empty_pb.js'
import timestamp from 'google-protobuf/google/protobuf/timestamp_pb.js'
import { describe, expect, test } from 'vitest'
import {
  readBatchAppendReq,
  writeBatchAppendError,
  writeBatchAppendSuccess,
} from '../../src/embedded-node/batch-messages.ts'
import { Any, NoStream, StreamExists, TOMBSTONE, toExpected } from '../../src/embedded-node/decide.ts'
import { writeDelivery, writeReadEvent } from '../../src/embedded-node/event-message.ts'
import type { LogEvent } from '../../src/embedded-node/log-event.ts'
import { MalformedMessage } from '../../src/embedded-node/wire.ts'

// The hot messages are written and read by hand. The generated classes say what they must be.

const text = fc.string({ unit: 'grapheme', maxLength: 200 })
const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array))
const number = fc.oneof(fc.nat(300), fc.maxSafeNat())
const correlation = fc.uuid().map((id) => Buffer.from(new shared.UUID().setString(id).serializeBinary()))

const event: fc.Arbitrary<LogEvent> = fc.record({
  position: number,
  stream: text,
  revision: fc.oneof(number, fc.constant(TOMBSTONE)),
  type: text,
  id: fc.uuid(),
  json: fc.boolean(),
  created: number,
  metadata: bytes,
  data: bytes,
})

describe('an event of a ReadResp', () => {
  test('is what the generated class reads, for any event, with and without a link', () => {
    const optional = fc.option(event, { nil: undefined })
    const property = fc.property(optional, optional, fc.constantFrom('string', 'structured'), (target, link, form) => {
      const message = streams.ReadResp.deserializeBinary(writeReadEvent(target, link, form))
      const read = message.getEvent()
      const position = (link ?? target)?.position
      expect(read?.hasNoPosition()).toBe(position === undefined)
      if (position !== undefined) expect(read?.getCommitPosition()).toBe(String(position))
      expectRecorded(read?.getEvent(), target, form)
      expectRecorded(read?.getLink(), link, form)
    })
    fc.assert(property)
  })
})

describe('an event of a persistent subscription', () => {
  test('is what the generated class reads, for any event: a resolved one stands where its link does', () => {
    const optional = fc.option(event, { nil: undefined })
    const property = fc.property(optional, event, fc.nat(2 ** 31 - 1), (target, link, retryCount) => {
      const read = persistent.ReadResp.deserializeBinary(writeDelivery(target, link, 'string', retryCount)).getEvent()
      expect(read?.getCommitPosition()).toBe(String(link.position))
      expect(read?.getRetryCount()).toBe(retryCount)
      expect(read?.hasRetryCount()).toBe(true)
      expectRecorded(read?.getEvent(), target && { ...target, position: link.position }, 'string')
      expectRecorded(read?.getLink(), link, 'string')
    })
    fc.assert(property)
  })
})

function expectRecorded(
  message: streams.ReadResp.ReadEvent.RecordedEvent | persistent.ReadResp.ReadEvent.RecordedEvent | undefined,
  expected: LogEvent | undefined,
  form: 'string' | 'structured',
): void {
  expect(message === undefined).toBe(expected === undefined)
  if (message === undefined || expected === undefined) return
  expect(Buffer.from(message.getStreamIdentifier()?.getStreamName_asU8() ?? []).toString()).toBe(expected.stream)
  const revision = expected.revision === TOMBSTONE ? 2n ** 63n - 1n : BigInt(expected.revision)
  expect(message.getStreamRevision()).toBe(String(revision))
  expect(message.getCommitPosition()).toBe(String(expected.position))
  expect(message.getPreparePosition()).toBe(String(expected.position))
  expect(Object.fromEntries(message.getMetadataMap().entries())).toEqual({
    type: expected.type,
    'content-type': expected.json ? 'application/json' : 'application/octet-stream',
    created: `${expected.created}0`,
  })
  expect(Buffer.from(message.getCustomMetadata_asU8())).toEqual(expected.metadata)
  expect(Buffer.from(message.getData_asU8())).toEqual(expected.data)
  const halves = message.getId()?.getStructured()
  if (form === 'string') expect(message.getId()?.getString()).toBe(expected.id)
  else {
    const hex = expected.id.replaceAll('-', '')
    expect(BigInt.asUintN(64, BigInt(halves?.getMostSignificantBits() ?? 0))).toBe(BigInt(`0x${hex.slice(0, 16)}`))
    expect(BigInt.asUintN(64, BigInt(halves?.getLeastSignificantBits() ?? 0))).toBe(BigInt(`0x${hex.slice(16)}`))
  }
}

describe('a BatchAppendResp', () => {
  test('is what the generated class reads, for any success', () => {
    const revision = fc.oneof(fc.constant(-1), number)
    const position = fc.option(number, { nil: undefined })
    const property = fc.property(correlation, bytes, revision, position, (id, stream, at, commit) => {
      const message = streams.BatchAppendResp.deserializeBinary(writeBatchAppendSuccess(id, stream, at, commit))
      const success = message.getSuccess()
      expect(Buffer.from(message.getCorrelationId()?.serializeBinary() ?? [])).toEqual(id)
      expect(Buffer.from(message.getStreamIdentifier()?.getStreamName_asU8() ?? [])).toEqual(stream)
      expect(success?.hasNoStream()).toBe(at < 0)
      if (at >= 0) expect(success?.getCurrentRevision()).toBe(String(at))
      expect(success?.hasNoPosition()).toBe(commit === undefined)
      expect(success?.getPosition()?.getCommitPosition()).toBe(commit === undefined ? undefined : String(commit))
      expect(success?.getPosition()?.getPreparePosition()).toBe(commit === undefined ? undefined : String(commit))
    })
    fc.assert(property)
  })

  test('is what the generated class reads, for any error', () => {
    const property = fc.property(
      correlation,
      bytes,
      fc.nat(16),
      text,
      text,
      bytes,
      (id, stream, code, said, type, detail) => {
        const bytesOnWire = writeBatchAppendError(id, stream, { code, message: said, detailType: type, detail })
        const message = streams.BatchAppendResp.deserializeBinary(bytesOnWire)
        expect(Buffer.from(message.getCorrelationId()?.serializeBinary() ?? [])).toEqual(id)
        expect(Buffer.from(message.getStreamIdentifier()?.getStreamName_asU8() ?? [])).toEqual(stream)
        expect(message.getError()?.getCode()).toBe(code)
        expect(message.getError()?.getMessage()).toBe(said)
        expect(message.getError()?.getDetails()?.getTypeUrl()).toBe(`type.googleapis.com/${type}`)
        expect(Buffer.from(message.getError()?.getDetails()?.getValue_asU8() ?? [])).toEqual(detail)
      },
    )
    fc.assert(property)
  })
})

describe('a BatchAppendReq', () => {
  const proposed = fc.record({ id: fc.uuid(), structured: fc.boolean(), type: text, metadata: bytes, data: bytes })
  const expectation = fc.oneof(fc.bigInt(0n, 2n ** 64n - 1n), fc.constantFrom(Any, NoStream, StreamExists))

  test('is read as the generated class writes it', () => {
    const seconds = fc.option(fc.nat(4_000_000_000), { nil: undefined })
    const property = fc.property(
      correlation,
      bytes,
      expectation,
      fc.array(proposed, { maxLength: 5 }),
      seconds,
      fc.boolean(),
      (id, stream, expected, messages, deadline, isFinal) => {
        const request = new streams.BatchAppendReq()
          .setCorrelationId(shared.UUID.deserializeBinary(id))
          .setIsFinal(isFinal)
          .setOptions(optionsOf(stream, expected, deadline))
          .setProposedMessagesList(messages.map(messageOf))
        const bytesOnWire = Buffer.from(request.serializeBinary())
        expect(readBatchAppendReq(bytesOnWire)).toEqual({
          size: bytesOnWire.length,
          correlation: id,
          correlationId: shared.UUID.deserializeBinary(id).getString(),
          options: {
            stream,
            expected: expected < 0n ? expected : toExpected(expected),
            deadline: deadline === undefined ? undefined : deadline * 1000,
            timeout: undefined,
          },
          messages: messages.map(({ id: eventId, type, metadata, data }) => {
            return { id: eventId, type, contentType: 'application/json', metadata, data }
          }),
          isFinal,
        })
      },
    )
    fc.assert(property)
  })

  test('whatever the bytes are, is read or refused as malformed', () => {
    const property = fc.property(bytes, (buffer) => {
      try {
        readBatchAppendReq(buffer)
      } catch (error) {
        expect(error).toBeInstanceOf(MalformedMessage)
      }
    })
    fc.assert(property, { numRuns: 2_000 })
  })
})

function optionsOf(stream: Buffer, expected: bigint, deadline: number | undefined): streams.BatchAppendReq.Options {
  const options = new streams.BatchAppendReq.Options()
  options.setStreamIdentifier(new shared.StreamIdentifier().setStreamName(stream))
  if (expected === Any) options.setAny(new empty.Empty())
  else if (expected === NoStream) options.setNoStream(new empty.Empty())
  else if (expected === StreamExists) options.setStreamExists(new empty.Empty())
  else options.setStreamPosition(String(expected))
  if (deadline !== undefined) options.setDeadline(new timestamp.Timestamp().setSeconds(deadline))
  return options
}

interface Proposed {
  id: string
  structured: boolean
  type: string
  metadata: Buffer
  data: Buffer
}

function messageOf({ id, structured, type, metadata, data }: Proposed): streams.BatchAppendReq.ProposedMessage {
  const message = new streams.BatchAppendReq.ProposedMessage().setCustomMetadata(metadata).setData(data)
  const hex = id.replaceAll('-', '')
  const halves = new shared.UUID.Structured()
    .setMostSignificantBits(String(BigInt.asIntN(64, BigInt(`0x${hex.slice(0, 16)}`))))
    .setLeastSignificantBits(String(BigInt.asIntN(64, BigInt(`0x${hex.slice(16)}`))))
  message.setId(structured ? new shared.UUID().setStructured(halves) : new shared.UUID().setString(id))
  message.getMetadataMap().set('type', type).set('content-type', 'application/json')
  return message
}
