import shared from '@eventstore/db-client/generated/shared_pb.js'
import streams from '@eventstore/db-client/generated/streams_pb.js'
import { status } from '@grpc/grpc-js'
import type { Committer, ProposedEvent, WriteRequest, WriteResult } from './commit.ts'
import { Any, type Expected, NoStream, StreamExists } from './decide.ts'
import {
  badArgument,
  Failure,
  handlerThrew,
  maximumAppendSizeExceeded,
  missingMetadataProperty,
  shuttingDown,
  streamDeleted,
  wrongExpectedVersion,
} from './status.ts'
import { normalizeUuid, uuidFromHalves } from './uuid.ts'

/** EventStoreDB's default for MaxAppendSize. */
export const MAX_APPEND_BYTES = 1024 * 1024

/** What an event counts towards {@link MAX_APPEND_BYTES}. */
export const appendSize = (type: string, metadata: Uint8Array, data: Uint8Array): number =>
  data.length + metadata.length + 2 * type.length

/** The Append call: options first, then events; nothing is written before the client has sent them all. */
export class ClassicAppend {
  #options: { stream: string; expected: Expected } | undefined
  readonly #events: ProposedEvent[] = []
  #size = 0

  /** @throws Failure */
  accept(request: streams.AppendReq): void {
    const options = request.getOptions()
    const message = request.getProposedMessage()
    if (options !== undefined) {
      this.#options = { stream: streamName(options.getStreamIdentifier()), expected: expectedRevision(options) }
    } else if (this.#options === undefined || message === undefined) {
      throw badArgument('The first message has the options, every other one an event')
    } else {
      const event = proposedEvent(message)
      this.#size += appendSize(event.type, event.metadata, event.data)
      if (this.#size > MAX_APPEND_BYTES) throw maximumAppendSizeExceeded(MAX_APPEND_BYTES)
      this.#events.push(event)
    }
  }

  /** @throws Failure */
  async commit(committer: Committer): Promise<streams.AppendResp> {
    if (this.#options === undefined) throw badArgument('The call has no message with options')
    const { stream, expected } = this.#options
    const result = await write(committer, { kind: 'append', stream, expected, events: this.#events })
    if (result.kind === 'wrong-version') {
      return new streams.AppendResp().setWrongExpectedVersion(conflict(expected, result.current))
    }
    const { revision, position } = succeeded(result, stream, expected)
    const success = new streams.AppendResp.Success()
    if (revision < 0) success.setNoStream(new shared.Empty())
    else success.setCurrentRevision(String(revision))
    if (position === undefined) success.setNoPosition(new shared.Empty())
    else success.setPosition(at(new streams.AppendResp.Position(), position))
    return new streams.AppendResp().setSuccess(success)
  }
}

/** The Delete call: the stream can be written to again. @throws Failure */
export async function deleteStream(committer: Committer, request: streams.DeleteReq): Promise<streams.DeleteResp> {
  const position = await end(committer, 'delete', request.getOptions())
  const response = new streams.DeleteResp()
  if (position === undefined) return response.setNoPosition(new shared.Empty())
  return response.setPosition(at(new streams.DeleteResp.Position(), position))
}

/** The Tombstone call: the stream ends for ever. @throws Failure */
export async function tombstone(committer: Committer, request: streams.TombstoneReq): Promise<streams.TombstoneResp> {
  const position = await end(committer, 'tombstone', request.getOptions())
  const response = new streams.TombstoneResp()
  if (position === undefined) return response.setNoPosition(new shared.Empty())
  return response.setPosition(at(new streams.TombstoneResp.Position(), position))
}

async function end(
  committer: Committer,
  kind: 'delete' | 'tombstone',
  options: streams.DeleteReq.Options | streams.TombstoneReq.Options | undefined,
): Promise<number | undefined> {
  if (options === undefined) throw badArgument('options are missing')
  const stream = streamName(options.getStreamIdentifier())
  const expected = expectedRevision(options)
  const result = await write(committer, { kind, stream, expected, events: [] })
  return succeeded(result, stream, expected).position
}

function write(committer: Committer, request: Omit<WriteRequest, 'answer'>): Promise<WriteResult> {
  return new Promise((answer) => committer.write({ ...request, answer }))
}

function succeeded(
  result: WriteResult,
  stream: string,
  expected: Expected,
): { revision: number; position: number | undefined } {
  if (result.kind === 'done') return result
  if (result.kind === 'wrong-version') throw wrongExpectedVersion(stream, expected, result.current)
  if (result.kind === 'deleted') throw streamDeleted(stream)
  throw result.stopping ? shuttingDown() : new Failure(status.UNKNOWN, `The event was not written: ${result.reason}`)
}

function streamName(identifier: shared.StreamIdentifier | undefined): string {
  const stream = Buffer.from(identifier?.getStreamName_asU8() ?? []).toString('utf8')
  if (stream === '' || stream === '$$') throw handlerThrew()
  return stream
}

interface Expectation {
  hasRevision(): boolean
  getRevision(): string
  hasNoStream(): boolean
  hasAny(): boolean
  hasStreamExists(): boolean
}

function expectedRevision(options: Expectation): Expected {
  if (options.hasNoStream()) return NoStream
  if (options.hasAny()) return Any
  if (options.hasStreamExists()) return StreamExists
  if (options.hasRevision()) return BigInt(options.getRevision())
  throw badArgument('None of revision, no_stream, any and stream_exists is set')
}

function proposedEvent(message: streams.AppendReq.ProposedMessage): ProposedEvent {
  const map = message.getMetadataMap()
  const type = map.get('type')
  const contentType = map.get('content-type')
  if (type === undefined) throw missingMetadataProperty('type')
  if (contentType === undefined) throw missingMetadataProperty('content-type')
  const id = uuid(message.getId())
  if (id === undefined || type === '') throw handlerThrew()
  return {
    id,
    type,
    json: contentType === 'application/json',
    metadata: Buffer.from(message.getCustomMetadata_asU8()),
    data: Buffer.from(message.getData_asU8()),
  }
}

function uuid(message: shared.UUID | undefined): string | undefined {
  const halves = message?.getStructured()
  if (halves === undefined) return normalizeUuid(message?.getString() ?? '')
  return uuidFromHalves(BigInt(halves.getMostSignificantBits()), BigInt(halves.getLeastSignificantBits()))
}

function conflict(expected: Expected, current: number): streams.AppendResp.WrongExpectedVersion {
  const message = new streams.AppendResp.WrongExpectedVersion()
  if (current < 0) message.setCurrentNoStream(new shared.Empty())
  else message.setCurrentRevision(String(current))
  if (expected === Any) message.setExpectedAny(new shared.Empty())
  else if (expected === NoStream) message.setExpectedNoStream(new shared.Empty())
  else if (expected === StreamExists) message.setExpectedStreamExists(new shared.Empty())
  else message.setExpectedRevision(String(expected))
  return message
}

interface PositionMessage {
  setCommitPosition(value: string): unknown
  setPreparePosition(value: string): unknown
}

function at<T extends PositionMessage>(message: T, position: number): T {
  message.setCommitPosition(String(position))
  message.setPreparePosition(String(position))
  return message
}
