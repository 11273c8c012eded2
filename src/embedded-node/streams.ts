import { setImmediate as nextTurn } from 'node:timers/promises'
import { StreamsService } from '@eventstore/db-client/generated/streams_grpc_pb.js'
import type streams from '@eventstore/db-client/generated/streams_pb.js'
import * as grpc from '@grpc/grpc-js'
import type { Access } from './access.ts'
import { checkAppendReq } from './append-request.ts'
import { ClassicAppend, deleteStream, tombstone } from './appends.ts'
import { BatchAppend } from './batch-append.ts'
import { type BatchChunk, readBatchAppendReq } from './batch-messages.ts'
import { boundedRequests } from './bounded-reader.ts'
import { Budget } from './budget.ts'
import type { Committer } from './commit.ts'
import { isComputed } from './computed-streams.ts'
import type { GuardedCall } from './guarded-call.ts'
import { type Frames, joined, Outbox } from './outbox.ts'
import { parseReadRequest } from './read-request.ts'
import { Reads } from './reads.ts'
import { AllSource, type Store, StreamSource } from './sources.ts'
import { shuttingDown, toStatus } from './status.ts'
import { Subscription } from './subscription.ts'
import { Turns } from './turns.ts'

const requestsBounded = boundedRequests(StreamsService)

/**
 * The Streams service with messages that are serialised before they reach grpc-js: those of one write to a call are sent
 * in one go (see {@link Batched}).
 */
export const streamsService = {
  ...requestsBounded,
  append: {
    ...requestsBounded.append,
    requestDeserialize: (bytes: Buffer) => {
      checkAppendReq(bytes)
      return requestsBounded.append.requestDeserialize(bytes)
    },
  },
  read: { ...requestsBounded.read, responseSerialize: joined },
  batchAppend: { ...StreamsService.batchAppend, requestDeserialize: readBatchAppendReq, responseSerialize: joined },
}

/**
 * grpc-js writes a message of a call only when the one before has reached the socket. This turns one write of many
 * messages into as many messages at once, which is several times as fast.
 */
export class Batched extends grpc.ServerInterceptingCall {
  readonly #guard: GuardedCall

  constructor(call: grpc.ServerInterceptingCallInterface, guard: GuardedCall) {
    super(call)
    this.#guard = guard
  }

  override sendStatus(status: Parameters<grpc.ServerInterceptingCall['sendStatus']>[0]): void {
    super.sendStatus(status)
    this.#guard.ended()
  }

  override sendMessage(message: unknown, sent: () => void): void {
    const frames: unknown[] = Array.isArray(message) ? message : []
    let bytes = 0
    for (const frame of frames) if (Buffer.isBuffer(frame)) bytes += frame.length
    this.#guard.sending(bytes)
    for (const frame of frames.slice(0, -1)) super.sendMessage([frame], () => {})
    super.sendMessage(frames.length > 1 ? frames.slice(-1) : message, () => {
      this.#guard.sending(-bytes)
      sent()
    })
  }
}

/** What appends that are begun and not complete may hold, of all calls together. */
const MAX_INCOMPLETE_BYTES = 256 * 1024 * 1024

/** The calls of the Streams service. Each translates its messages and leaves the rest to its own file. */
export class StreamsCalls {
  readonly #store: Store
  readonly #committer: Committer
  readonly #access: Access
  readonly #reads: Reads
  readonly #turns = new Turns()
  readonly #incomplete = new Budget(MAX_INCOMPLETE_BYTES)
  readonly #closers = new Set<() => void>()

  constructor(store: Store, committer: Committer, access: Access) {
    this.#store = store
    this.#committer = committer
    this.#access = access
    this.#reads = new Reads(store.log, store.streams, store.writer, this.#turns)
  }

  readonly handlers: grpc.UntypedServiceImplementation = {
    append: (
      call: grpc.ServerReadableStream<streams.AppendReq, streams.AppendResp>,
      answer: Answer<streams.AppendResp>,
    ) => this.#append(call, answer),
    batchAppend: (call: grpc.ServerDuplexStream<BatchChunk, Frames>) => this.#batchAppend(call),
    read: (call: grpc.ServerWritableStream<streams.ReadReq, Frames>) => this.#read(call),
    delete: (call: grpc.ServerUnaryCall<streams.DeleteReq, streams.DeleteResp>, answer: Answer<streams.DeleteResp>) =>
      respond(
        deleteStream(this.#committer, call.request, (stream) => this.#access.check(call, 'delete', stream)),
        answer,
      ),
    tombstone: (
      call: grpc.ServerUnaryCall<streams.TombstoneReq, streams.TombstoneResp>,
      answer: Answer<streams.TombstoneResp>,
    ) =>
      respond(
        tombstone(this.#committer, call.request, (stream) => this.#access.check(call, 'delete', stream)),
        answer,
      ),
  }

  /** Ends every open call with UNAVAILABLE. */
  close(): void {
    for (const close of [...this.#closers]) close()
  }

  #append(
    call: grpc.ServerReadableStream<streams.AppendReq, streams.AppendResp>,
    answer: Answer<streams.AppendResp>,
  ): void {
    const check = (stream: string): void => this.#access.check(call, 'write', stream)
    const append = new ClassicAppend(check, this.#incomplete, (failure) => finish(failure.status))
    let isOver = false
    const finish: Answer<streams.AppendResp> = (error, response) => {
      if (isOver) return
      isOver = true
      this.#closers.delete(close)
      append.close()
      answer(error, response)
    }
    const close = (): void => finish(shuttingDown().status)
    this.#closers.add(close)
    call.on('cancelled', close)
    call.on('data', (request: streams.AppendReq) => {
      if (isOver) return
      try {
        append.accept(request)
      } catch (error) {
        finish(toStatus(error))
      }
    })
    call.on('end', async () => {
      // Node's HTTP/2 half-closes a call that it cancels; the cancellation comes right behind, and is waited for a little.
      await nextTurn()
      await nextTurn()
      if (!isOver) respond(append.commit(this.#committer), finish)
    })
  }

  #batchAppend(call: grpc.ServerDuplexStream<BatchChunk, Frames>): void {
    let responses: Buffer[] = []
    let isOver = false
    const flush = (): void => {
      const frames = responses
      responses = []
      if (isOver) return
      const mayGoOn = call.write(frames)
      if (!mayGoOn || batch.isFull) call.pause()
      else if (call.isPaused()) call.resume()
      // An end with status OK makes clients wait for ever for what is not answered: see that there is no such thing.
      if (call.readableEnded && batch.outstanding === 0) close(() => call.end())
    }
    const mayWrite = (stream: string): boolean => this.#access.allows(call, 'write', stream)
    const batch = new BatchAppend(this.#committer, this.#incomplete, mayWrite, (response) => {
      // Answers of one commit travel together.
      if (responses.push(response) === 1) queueMicrotask(flush)
    })
    const close = (end: () => void): void => {
      if (isOver) return
      isOver = true
      this.#closers.delete(shutDown)
      batch.close()
      end()
    }
    const shutDown = (): void => close(() => call.emit('error', shuttingDown().status))
    this.#closers.add(shutDown)
    call.on('data', (chunk: BatchChunk) => {
      if (isOver) return
      try {
        batch.accept(chunk)
        if (batch.isFull) call.pause()
      } catch (error) {
        close(() => call.emit('error', toStatus(error)))
      }
    })
    call.on('drain', () => {
      if (!batch.isFull) call.resume()
    })
    call.on('cancelled', () => close(() => {}))
    call.on('end', () => {
      if (batch.outstanding === 0) close(() => call.end())
    })
  }

  #read(call: grpc.ServerWritableStream<streams.ReadReq, Frames>): void {
    const outbox = new Outbox(call, () => {
      this.#closers.delete(shutDown)
      cancel()
    })
    const shutDown = (): void => outbox.shutDown()
    let cancel = (): void => {}
    this.#closers.add(shutDown)
    const run = async (): Promise<void> => {
      // A filter takes time to compile: calls that were cancelled meanwhile are spared.
      const request = await this.#turns.take(() => (outbox.isOpen ? parseReadRequest(call.request) : undefined))
      if (request === undefined) return
      this.#access.check(call, 'read', 'stream' in request ? request.stream : '$all')
      if ('stream' in request && isComputed(request.stream)) await this.#store.log.links.catchUp()
      if (request.kind === 'stream') return this.#reads.stream(request, outbox)
      if (request.kind === 'all') return this.#reads.all(request, outbox)
      const source =
        request.kind === 'stream-subscription'
          ? new StreamSource(this.#store, request)
          : new AllSource(this.#store, request)
      const subscription = new Subscription(source, outbox, this.#turns)
      cancel = () => subscription.cancel()
      return subscription.run()
    }
    run().then(
      () => outbox.end(),
      (error: unknown) => outbox.fail(toStatus(error)),
    )
  }
}

type Answer<Response> = (error: Partial<grpc.StatusObject> | null, response?: Response) => void

function respond<Response>(response: Promise<Response>, answer: Answer<Response>): void {
  response.then(
    (message) => answer(null, message),
    (error: unknown) => answer(toStatus(error)),
  )
}
