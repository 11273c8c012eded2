import shared from '@eventstore/db-client/generated/shared_pb.js'
import { status } from '@grpc/grpc-js'
import empty from 'google-protobuf/google/protobuf/empty_pb.js'
import { appendSize, BUSY, MAX_APPEND_BYTES, TOO_MANY_EVENTS, TOO_MUCH_INCOMPLETE } from './appends.ts'
import {
  type BatchChunk,
  type BatchMessage,
  type BatchOptions,
  MAX_APPEND_EVENTS,
  writeBatchAppendError,
  writeBatchAppendSuccess,
} from './batch-messages.ts'
import { type Budget, EVENT_OVERHEAD } from './budget.ts'
import type { Committer, ProposedEvent, WriteResult } from './commit.ts'
import { Any, type Expected, NoStream, StreamExists } from './decide.ts'
import { handlerThrew, isNameTooLong, nameTooLong, readOnlyText } from './status.ts'
import { NIL_UUID } from './uuid.ts'

/** EventStoreDB's WriteTimeout: an append whose chunks take longer has failed. */
const WRITE_TIMEOUT_MS = 2_000

const MAX_OUTSTANDING = 4_096
/** Appends of one call that are begun and not complete, and what they may hold together. */
const MAX_INCOMPLETE = 1_000
const MAX_INCOMPLETE_BYTES = 32 * 1024 * 1024
const MAX_OUTSTANDING_BYTES = 16 * 1024 * 1024

interface Pending {
  /** As the chunk that begins or completes the append has it. */
  correlation: Buffer
  /** As it came, to be sent back as it came. */
  readonly streamName: Buffer
  readonly stream: string
  readonly expected: Expected
  readonly events: ProposedEvent[]
  size: number
  /** Bytes that count towards the budget. */
  held: number
  timer: NodeJS.Timeout | undefined
}

/**
 * One BatchAppend call: many appends over one stream of messages, each in one or more chunks that share a correlation id.
 * Every append is answered exactly once; chunks behind an answer are ignored, and so are options that come again.
 */
export class BatchAppend {
  readonly #committer: Pick<Committer, 'writeForClient'>
  readonly #budget: Budget
  readonly #mayWrite: (stream: string) => boolean
  readonly #respond: (response: Buffer) => void
  readonly #pending = new Map<string, Pending>()
  #incompleteBytes = 0
  #outstanding = 0
  #outstandingBytes = 0

  /** What is kept of appends that are not complete counts towards `budget`, that of all calls. */
  constructor(
    committer: Pick<Committer, 'writeForClient'>,
    budget: Budget,
    mayWrite: (stream: string) => boolean,
    respond: (response: Buffer) => void,
  ) {
    this.#committer = committer
    this.#budget = budget
    this.#mayWrite = mayWrite
    this.#respond = respond
  }

  /** Appends that were begun and not answered. */
  get outstanding(): number {
    return this.#outstanding + this.#pending.size
  }

  /** Whether the client should wait for answers before it sends more. */
  get isFull(): boolean {
    return this.#outstanding >= MAX_OUTSTANDING || this.#outstandingBytes >= MAX_OUTSTANDING_BYTES
  }

  /** @throws Failure when a chunk behind the first one is malformed: that ends the call. */
  accept(chunk: BatchChunk): void {
    const { correlation, correlationId: key, options, messages, isFinal, size } = chunk
    if (key === undefined) {
      this.#refuse(correlation, options, badRequest('The correlation id is missing or no UUID'))
      return
    }
    const known = this.#pending.get(key)
    const pending = known ?? (options === undefined ? undefined : this.#begin(correlation, options))
    if (pending === undefined) return
    const problem = collect(pending, messages)
    if (problem !== undefined && problem !== TOO_LARGE && options === undefined) throw handlerThrew()
    pending.correlation = correlation
    if (problem !== undefined) this.#finish(key, pending, problem)
    else if (isFinal) this.#commit(key, pending)
    else {
      if (known === undefined && options !== undefined) this.#wait(key, pending, timeLeft(options))
      this.#keep(key, pending, size + EVENT_OVERHEAD * messages.length)
    }
  }

  /** The call is over: appends that are not complete never will be. */
  close(): void {
    for (const [key, pending] of this.#pending) this.#forget(key, pending)
  }

  #begin(correlation: Buffer, options: BatchOptions): Pending | undefined {
    const streamName = options.stream ?? Buffer.alloc(0)
    const stream = streamName.toString('utf8')
    const refuse = (problem: Problem): undefined => this.#refuse(correlation, options, problem)
    if (!this.#mayWrite(stream)) return refuse(ACCESS_DENIED)
    if (stream === '' || stream === '$$') return refuse(badRequest('The stream name is missing or not valid'))
    if (isNameTooLong(stream)) return refuse(badRequest(nameTooLong('The name of a stream')))
    if (timeLeft(options) <= 0) return refuse(TIMEOUT)
    const { expected } = options
    if (expected === undefined) return refuse(badRequest('The expected stream position is missing or not valid'))
    return { correlation, streamName, stream, expected, events: [], size: 0, held: 0, timer: undefined }
  }

  #refuse(correlation: Buffer, options: BatchOptions | undefined, problem: Problem): undefined {
    if (options === undefined) throw handlerThrew()
    this.#respond(writeBatchAppendError(correlation, options.stream ?? Buffer.alloc(0), problem))
  }

  #keep(key: string, pending: Pending, size: number): void {
    pending.held += size
    this.#incompleteBytes += size
    this.#budget.add(size)
    const isTooMuch =
      this.#pending.size > MAX_INCOMPLETE || this.#incompleteBytes > MAX_INCOMPLETE_BYTES || this.#budget.isExceeded
    if (isTooMuch) this.#finish(key, pending, exhausted(TOO_MUCH_INCOMPLETE))
  }

  #wait(key: string, pending: Pending, milliseconds: number): void {
    this.#pending.set(key, pending)
    pending.timer = setTimeout(() => this.#finish(key, pending, TIMEOUT), milliseconds)
  }

  #finish(key: string, pending: Pending, problem: Problem): void {
    this.#forget(key, pending)
    this.#respond(writeBatchAppendError(pending.correlation, pending.streamName, problem))
  }

  #commit(key: string, pending: Pending): void {
    this.#forget(key, pending)
    const { correlation, streamName, stream, expected, events, size } = pending
    this.#outstanding++
    this.#outstandingBytes += size
    this.#committer.writeForClient({
      kind: 'append',
      stream,
      expected,
      events,
      answer: (result) => {
        this.#outstanding--
        this.#outstandingBytes -= size
        if (result.kind === 'done') {
          this.#respond(writeBatchAppendSuccess(correlation, streamName, result.revision, result.position))
        } else this.#respond(writeBatchAppendError(correlation, streamName, problemOf(result, streamName, expected)))
      },
    })
  }

  #forget(key: string, pending: Pending): void {
    if (pending.timer === undefined) return
    clearTimeout(pending.timer)
    this.#pending.delete(key)
    this.#incompleteBytes -= pending.held
    this.#budget.add(-pending.held)
  }
}

/** A google.rpc.Status with its one detail. */
interface Problem {
  readonly code: number
  readonly message: string
  readonly detailType: string
  readonly detail: Uint8Array
}

const TIMEOUT: Problem = {
  code: status.DEADLINE_EXCEEDED,
  message: 'Timeout',
  detailType: 'event_store.client.Timeout',
  detail: new shared.Timeout().serializeBinary(),
}

const ACCESS_DENIED: Problem = {
  code: status.PERMISSION_DENIED,
  message: 'AccessDenied',
  detailType: 'event_store.client.AccessDenied',
  detail: new shared.AccessDenied().serializeBinary(),
}

const TOO_LARGE: Problem = {
  code: status.INVALID_ARGUMENT,
  message: 'MaximumAppendSizeExceeded',
  detailType: 'event_store.client.MaximumAppendSizeExceeded',
  detail: new shared.MaximumAppendSizeExceeded().setMaxappendsize(MAX_APPEND_BYTES).serializeBinary(),
}

function exhausted(message: string): Problem {
  const detail = new shared.Unknown().serializeBinary()
  return { code: status.RESOURCE_EXHAUSTED, message, detailType: 'event_store.client.Unknown', detail }
}

function badRequest(message: string): Problem {
  const detail = new shared.BadRequest().setMessage(message).serializeBinary()
  return { code: status.INVALID_ARGUMENT, message: 'BadRequest', detailType: 'event_store.client.BadRequest', detail }
}

function problemOf(result: Exclude<WriteResult, { kind: 'done' }>, streamName: Buffer, expected: Expected): Problem {
  if (result.kind === 'wrong-version') {
    const detailType = 'event_store.client.WrongExpectedVersion'
    const detail = conflict(expected, result.current).serializeBinary()
    return { code: status.ALREADY_EXISTS, message: 'WrongExpectedVersion', detailType, detail }
  }
  if (result.kind === 'deleted') {
    const identifier = new shared.StreamIdentifier().setStreamName(streamName)
    const detail = new shared.StreamDeleted().setStreamIdentifier(identifier).serializeBinary()
    return { code: status.NOT_FOUND, message: 'StreamDeleted', detailType: 'event_store.client.StreamDeleted', detail }
  }
  if (result.kind === 'read-only') {
    const message = readOnlyText(streamName.toString('utf8'))
    const detail = new shared.AccessDenied().serializeBinary()
    return { code: status.PERMISSION_DENIED, message, detailType: 'event_store.client.AccessDenied', detail }
  }
  if (result.kind === 'busy') return exhausted(BUSY)
  const detail = new shared.Unknown().serializeBinary()
  return { code: status.UNKNOWN, message: result.reason, detailType: 'event_store.client.Unknown', detail }
}

function conflict(expected: Expected, current: number): shared.WrongExpectedVersion {
  const message = new shared.WrongExpectedVersion()
  if (current < 0) message.setCurrentNoStream(new empty.Empty())
  else message.setCurrentStreamRevision(String(current))
  if (expected === Any) message.setExpectedAny(new empty.Empty())
  else if (expected === NoStream) message.setExpectedNoStream(new empty.Empty())
  else if (expected === StreamExists) message.setExpectedStreamExists(new empty.Empty())
  else message.setExpectedStreamPosition(String(expected))
  return message
}

/** Milliseconds that an append has from now on. */
function timeLeft({ deadline, timeout }: BatchOptions): number {
  const requested = timeout ?? (deadline === undefined ? WRITE_TIMEOUT_MS : deadline - Date.now())
  return Math.min(requested, WRITE_TIMEOUT_MS)
}

function collect(pending: Pending, messages: readonly BatchMessage[]): Problem | undefined {
  for (const { id, type, contentType, metadata, data } of messages) {
    if (id === undefined || id === NIL_UUID) return badRequest('An event has no valid id')
    if (type === undefined || type === '') return badRequest("Required Metadata Property 'type' is missing")
    if (contentType === undefined) return badRequest("Required Metadata Property 'content-type' is missing")
    if (isNameTooLong(type)) return badRequest(nameTooLong('The type of an event'))
    pending.size += appendSize(type, metadata, data)
    if (pending.events.length === MAX_APPEND_EVENTS) return badRequest(TOO_MANY_EVENTS)
    pending.events.push({ id, type, json: contentType === 'application/json', metadata, data })
  }
  return pending.size > MAX_APPEND_BYTES ? TOO_LARGE : undefined
}
