import { constants, type ServerHttp2Stream } from 'node:http2'
import { Duplex } from 'node:stream'
import { type ServerInterceptingCallInterface, status } from '@grpc/grpc-js'
import { Budget } from './budget.ts'
import { reportFault } from './fault.ts'

/** Messages that have begun to arrive and are not complete, of all calls together. */
const INCOMPLETE = new Budget(256 * 1024 * 1024)
/** Above the limit, a call with less than that goes on. */
const SMALL_BYTES = 64 * 1024
/** Milliseconds that a client has to take the end of its call. */
const END_MS = 10_000

/**
 * What grpc-js does not limit: it keeps parts of messages until they are whole, and calls that have ended until the
 * client has taken everything. Needs the HTTP/2 stream, which grpc-js has in a private field; where that is missing nothing is limited, and
 * the node reports a fault.
 */
export class GuardedCall {
  readonly #call: ServerInterceptingCallInterface
  readonly #stream: ServerHttp2Stream | undefined
  readonly #budget: Budget
  #incomplete = 0
  /** Bytes of the present message that are still to come, and of the head before it. */
  #left = 0
  #head = 0
  #length = 0

  constructor(call: ServerInterceptingCallInterface, budget = INCOMPLETE) {
    this.#call = call
    this.#budget = budget
    const stream = 'stream' in call && isHttp2Stream(call.stream) ? call.stream : undefined
    this.#stream = stream
    if (stream === undefined) reportFault(new Error(UNGUARDED))
    stream?.on('data', (data: Buffer) => this.#count(data))
    stream?.once('close', () => this.#keep(0))
  }

  /** The call has its status: whoever does not take it loses it. */
  ended(): void {
    const stream = this.#stream
    if (stream === undefined || stream.closed) return
    const timer = setTimeout(() => stream.close(constants.NGHTTP2_CANCEL), END_MS).unref()
    stream.once('close', () => clearTimeout(timer))
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
    this.#keep(this.#left > 0 ? this.#length - this.#left : 0)
    if (this.#budget.isExceeded && this.#incomplete > SMALL_BYTES) this.#refuse()
  }

  #keep(bytes: number): void {
    this.#budget.add(bytes - this.#incomplete)
    this.#incomplete = bytes
  }

  #refuse(): void {
    const details = `More than ${this.#budget.limit} bytes of incomplete messages are under way to the node`
    const refusal = { code: status.RESOURCE_EXHAUSTED, details }
    this.#call.sendStatus(refusal)
    this.#stream?.close(constants.NGHTTP2_ENHANCE_YOUR_CALM)
  }
}

/** A flag and a length before each message. */
const HEAD_BYTES = 5

const UNGUARDED = 'grpc-js does not show the HTTP/2 stream of a call: what clients send in part is not limited'

const isHttp2Stream = (value: unknown): value is ServerHttp2Stream => value instanceof Duplex && 'rstCode' in value
