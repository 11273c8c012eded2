import shared from '@eventstore/db-client/generated/shared_pb.js'
import streams from '@eventstore/db-client/generated/streams_pb.js'
import { status } from '@grpc/grpc-js'
import { MAX_APPEND_EVENTS } from './batch-messages.ts'
import { type Budget, bytesHeldBy } from './budget.ts'
import type { Committer, ProposedEvent, WriteRequest, WriteResult } from './commit.ts'
import { Any, type Expected, NoStream, StreamExists, toExpected } from './decide.ts'
import {
  badArgument,
  Failure,
  handlerThrew,
  isNameTooLong,
  maximumAppendSizeExceeded,
  missingMetadataProperty,
  nameTooLong,
  readOnlyStream,
  shuttingDown,
  streamDeleted,
  wrongExpectedVersion,
} from './status.ts'
import { NIL_UUID, normalizeUuid, uuidFromHalves } from './uuid.ts'

/** EventStoreDB's default for MaxAppendSize. */
export const MAX_APPEND_BYTES = 1024 * 1024

/** What an event counts towards {@link MAX_APPEND_BYTES}. */
export const appendSize = (type: string, metadata: Uint8Array, data: Uint8Array): number =>
  data.length + metadata.length + 2 * type.length

/** Milliseconds for a client to send an append in. */
const APPEND_MS = 60_000

export const TOO_MANY_EVENTS = `An append may have at most ${MAX_APPEND_EVENTS} events`
export const BUSY = 'Too many bytes wait to be written to the disk; try again later'
const OVERDUE = `Operation timed out: the append was not complete within ${APPEND_MS / 1_000} s`
export const TOO_MUCH_INCOMPLETE = 'Too many appends are begun and not complete'

/** The Append call: options first, then events; nothing is written before the client has sent them all. */
export class ClassicAppend {
  readonly #check: (stream: string) => void
  readonly #budget: Budget
  #options: { stream: string; expected: Expected } | undefined
  #events: ProposedEvent[] = []
  #size = 0
  #held = 0
  readonly #timer: NodeJS.Timeout

  /**
   * `check` is called with the stream before events are taken; it throws where the caller may not write to it. What is
   * kept until the client has sent everything counts towards `budget`; `onOverdue` is called when that takes too long.
   */
  constructor(check: (stream: string) => void, budget: Budget, onOverdue: (failure: Failure) => void) {
    this.#check = check
    this.#budget = budget
    this.#timer = setTimeout(() => onOverdue(new Failure(status.ABORTED, OVERDUE)), APPEND_MS)
  }

  /** @throws Failure */
  accept(request: streams.AppendReq): void {
    const options = request.getOptions()
    const message = request.getProposedMessage()
    if (this.#options === undefined) {
      if (options === undefined) throw handlerThrew()
      const expected = expectedRevision('AppendReq', options)
      this.#options = { stream: streamName(options.getStreamIdentifier()), expected }
      this.#check(this.#options.stream)
    } else if (message === undefined) {
      throw handlerThrew()
    } else {
      const event = proposedEvent(message)
      this.#size += appendSize(event.type, event.metadata, event.data)
      if (this.#size > MAX_APPEND_BYTES) throw maximumAppendSizeExceeded(MAX_APPEND_BYTES)
      this.#events.push(event)
      this.#hold(bytesHeldBy(event))
      if (this.#budget.isExceeded) throw new Failure(status.RESOURCE_EXHAUSTED, TOO_MUCH_INCOMPLETE)
      if (this.#events.length > MAX_APPEND_EVENTS) throw badArgument(TOO_MANY_EVENTS)
    }
  }

  /** @throws Failure */
  async commit(committer: Committer): Promise<streams.AppendResp> {
    if (this.#options === undefined) throw handlerThrew()
    const { stream, expected } = this.#options
    const events = this.#events
    this.close()
    const result = await write(committer, { kind: 'append', stream, expected, events })
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

  /** The call is over: it keeps nothing any longer. */
  close(): void {
    clearTimeout(this.#timer)
    this.#events = []
    this.#hold(-this.#held)
  }

  #hold(bytes: number): void {
    this.#held += bytes
    this.#budget.add(bytes)
  }
}

/** The Delete call: the stream can be written to again. @throws Failure */
export async function deleteStream(
  committer: Committer,
  request: streams.DeleteReq,
  check: (stream: string) => void,
): Promise<streams.DeleteResp> {
  const position = await end(committer, 'delete', 'DeleteReq', request.getOptions(), check)
  const response = new streams.DeleteResp()
  if (position === undefined) return response.setNoPosition(new shared.Empty())
  return response.setPosition(at(new streams.DeleteResp.Position(), position))
}

/** The Tombstone call: the stream ends for ever. @throws Failure */
export async function tombstone(
  committer: Committer,
  request: streams.TombstoneReq,
  check: (stream: string) => void,
): Promise<streams.TombstoneResp> {
  const position = await end(committer, 'tombstone', 'TombstoneReq', request.getOptions(), check)
  const response = new streams.TombstoneResp()
  if (position === undefined) return response.setNoPosition(new shared.Empty())
  return response.setPosition(at(new streams.TombstoneResp.Position(), position))
}

async function end(
  committer: Committer,
  kind: 'delete' | 'tombstone',
  requestName: string,
  options: streams.DeleteReq.Options | streams.TombstoneReq.Options | undefined,
  check: (stream: string) => void,
): Promise<number | undefined> {
  if (options === undefined) throw handlerThrew()
  const expected = expectedRevision(requestName, options)
  const stream = streamName(options.getStreamIdentifier())
  check(stream)
  const result = await write(committer, { kind, stream, expected, events: [] })
  return succeeded(result, stream, expected).position
}

function write(committer: Committer, request: Omit<WriteRequest, 'answer'>): Promise<WriteResult> {
  return new Promise((answer) => committer.writeForClient({ ...request, answer }))
}

function succeeded(
  result: WriteResult,
  stream: string,
  expected: Expected,
): { revision: number; position: number | undefined } {
  if (result.kind === 'done') return result
  if (result.kind === 'wrong-version') throw wrongExpectedVersion(stream, expected, result.current)
  if (result.kind === 'deleted') throw streamDeleted(stream)
  if (result.kind === 'read-only') throw readOnlyStream(stream)
  if (result.kind === 'busy') throw new Failure(status.RESOURCE_EXHAUSTED, BUSY)
  throw result.stopping ? shuttingDown() : new Failure(status.UNKNOWN, `The event was not written: ${result.reason}`)
}

function streamName(identifier: shared.StreamIdentifier | undefined): string {
  const stream = Buffer.from(identifier?.getStreamName_asU8() ?? []).toString('utf8')
  if (stream === '' || stream === '$$') throw handlerThrew()
  if (isNameTooLong(stream)) throw badArgument(nameTooLong('The name of a stream'))
  return stream
}

interface Expectation {
  hasRevision(): boolean
  getRevision(): string
  hasNoStream(): boolean
  hasAny(): boolean
  hasStreamExists(): boolean
}

function expectedRevision(requestName: string, options: Expectation): Expected {
  if (options.hasNoStream()) return NoStream
  if (options.hasAny()) return Any
  if (options.hasStreamExists()) return StreamExists
  if (!options.hasRevision()) {
    const type = `EventStore.Client.Streams.${requestName}+Types+Options+ExpectedStreamRevisionOneofCase`
    throw badArgument(`'None' is not a valid ${type}`)
  }
  const expected = toExpected(BigInt(options.getRevision()))
  if (expected === undefined) throw handlerThrew()
  return expected
}

function proposedEvent(message: streams.AppendReq.ProposedMessage): ProposedEvent {
  const map = message.getMetadataMap()
  const type = map.get('type')
  const contentType = map.get('content-type')
  if (type === undefined) throw missingMetadataProperty('type')
  if (contentType === undefined) throw missingMetadataProperty('content-type')
  const id = uuid(message.getId())
  if (id === undefined || id === NIL_UUID || type === '') throw handlerThrew()
  if (isNameTooLong(type)) throw badArgument(nameTooLong('The type of an event'))
  return {
    id,
    type,
    json: contentType === 'application/json',
    metadata: Buffer.from(message.getCustomMetadata_asU8()),
    data: Buffer.from(message.getData_asU8()),
  }
}

/** The canonical form of an event id, or undefined when it is none. */
export function uuid(message: shared.UUID | undefined): string | undefined {
  const halves = message?.getStructured()
  if (halves === undefined) return normalizeUuid(message?.getString() ?? '')
  return uuidFromHalves(BigInt(halves.getMostSignificantBits()), BigInt(halves.getLeastSignificantBits()))
}

/** With the fields that clients of version 20.6 read, except the one whose value, 2^64−1, is no JavaScript number. */
function conflict(expected: Expected, current: number): streams.AppendResp.WrongExpectedVersion {
  const message = new streams.AppendResp.WrongExpectedVersion()
  const empty = new shared.Empty()
  if (current < 0) message.setCurrentNoStream(empty).setNoStream2060(empty)
  else message.setCurrentRevision(String(current)).setCurrentRevision2060(current)
  if (expected === Any) return message.setExpectedAny(empty).setAny2060(empty)
  if (expected === StreamExists) return message.setExpectedStreamExists(empty).setStreamExists2060(empty)
  if (expected === NoStream) return message.setExpectedNoStream(empty)
  return message.setExpectedRevision(String(expected)).setExpectedRevision2060(Number(expected))
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
