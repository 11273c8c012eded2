import { constants, type ServerHttp2Stream } from 'node:http2'
import { Duplex } from 'node:stream'
import { type ServerInterceptingCallInterface, status } from '@grpc/grpc-js'
import { Claims } from './claims.ts'
import { reportFault } from './fault.ts'

const MiB = 1024 * 1024

/** What clients make the node keep, of all calls together. Beyond a limit, the call that has kept something for longest ends. */
export interface Kept {
  /** Messages that have begun to arrive and are not complete. */
  readonly incomplete: Claims<GuardedCall>
  /** Answers that are not taken yet. */
  readonly untaken: Claims<GuardedCall>
}

export function kept(limits = { incomplete: 256 * MiB, untaken: 256 * MiB }): Kept {
  const refusal = (limit: number, what: string): string => `More than ${limit} bytes of ${what}`
  return {
    incomplete: new Claims(limits.incomplete, (call) =>
      call.refuse(refusal(limits.incomplete, 'incomplete messages are under way to the node')),
    ),
    untaken: new Claims(limits.untaken, (call) =>
      call.refuse(refusal(limits.untaken, 'answers wait for clients to take them')),
    ),
  }
}

const KEPT = kept()

/** Milliseconds that a client has to take the end of its call. */
const END_MS = 10_000

/**
 * What grpc-js does not limit: it keeps parts of messages until they are whole, answers until the client takes them, and
 * calls that have ended until the client has taken everything. Needs the HTTP/2 stream, which grpc-js has in a private
 * field; where that is missing nothing is limited, and the node reports a fault.
 */
export class GuardedCall {
  readonly #call: ServerInterceptingCallInterface
  readonly #stream: ServerHttp2Stream | undefined
  readonly #kept: Kept
  /** Bytes of the present message that are still to come, and of the head before it. */
  #left = 0
  #head = 0
  #length = 0
  #untaken = 0
  #isOver = false

  constructor(call: ServerInterceptingCallInterface, among = KEPT) {
    this.#call = call
    this.#kept = among
    const stream = 'stream' in call && isHttp2Stream(call.stream) ? call.stream : undefined
    this.#stream = stream
    if (stream === undefined) {
      reportFault(new Error(UNGUARDED))
      this.#isOver = true
    }
    stream?.on('data', (data: Buffer) => this.#count(data))
    stream?.once('close', () => {
      this.#isOver = true
      this.#kept.incomplete.set(this, 0)
      this.#kept.untaken.set(this, 0)
    })
  }

  /** So many bytes are on their way to the client; negative when it has taken them. */
  sending(bytes: number): void {
    if (this.#isOver) return
    this.#untaken += bytes
    this.#kept.untaken.set(this, this.#untaken)
  }

  /** The call has its status: whoever does not take it loses it. */
  ended(): void {
    const stream = this.#stream
    if (stream === undefined || stream.closed) return
    const timer = setTimeout(() => stream.close(constants.NGHTTP2_CANCEL), END_MS).unref()
    stream.once('close', () => clearTimeout(timer))
  }

  /** Ends the call with RESOURCE_EXHAUSTED, whatever its client still has to take. */
  refuse(details: string): void {
    this.#isOver = true
    this.#call.sendStatus({ code: status.RESOURCE_EXHAUSTED, details })
    this.#stream?.close(constants.NGHTTP2_ENHANCE_YOUR_CALM)
  }

  #count(data: Buffer): void {
    for (let at = 0; at < data.length; ) {
      if (this.#left > 0) {
        const taken = Math.min(this.#left, data.length - at)
        at += taken
        this.#left -= taken
      } else {
        const byte = data[at++] ?? 0
        this.#length = this.#head === 0 ? 0 : this.#length * 256 + byte
        this.#head = (this.#head + 1) % HEAD_BYTES
        if (this.#head === 0) this.#left = this.#length
      }
    }
    if (!this.#isOver) this.#kept.incomplete.set(this, this.#left > 0 ? this.#length - this.#left : 0)
  }
}

/** A flag and a length before each message. */
const HEAD_BYTES = 5

const UNGUARDED =
  'grpc-js does not show the HTTP/2 stream of a call: what clients send in part, or do not take, is not limited'

const isHttp2Stream = (value: unknown): value is ServerHttp2Stream => value instanceof Duplex && 'rstCode' in value
