import type { StatusObject } from '@grpc/grpc-js'
import { shuttingDown } from './status.ts'

/** Messages that go out together, serialised. */
export type Frames = readonly Buffer[]

/** How grpc-js is to serialise them. */
export function joined(frames: Frames): Buffer {
  return frames.length === 1 && frames[0] !== undefined ? frames[0] : Buffer.concat(frames)
}

/** What {@link Outbox} needs of a grpc-js call that streams to a client. */
export interface StreamingCall {
  readonly cancelled: boolean
  write(frames: Frames, written: () => void): boolean
  end(): void
  emit(event: 'error', error: Partial<StatusObject>): boolean
  once(event: 'cancelled', listener: () => void): unknown
}

/**
 * The way to one client. At most one lot of messages waits in the socket while the next one is made, whatever the
 * client does.
 */
export class Outbox {
  readonly #call: StreamingCall
  /** Calls back when the outbox closes, whoever closes it. */
  readonly #onClosed: () => void
  #isOpen = true
  #inFlight: Promise<void> | undefined
  #release: (() => void) | undefined

  constructor(call: StreamingCall, onClosed: () => void) {
    this.#call = call
    this.#onClosed = onClosed
    call.once('cancelled', () => this.#close())
  }

  get isOpen(): boolean {
    return this.#isOpen
  }

  /** Resolves as soon as more may be sent: true, or false when the call is over. */
  async send(frames: Frames): Promise<boolean> {
    while (this.#inFlight !== undefined) await this.#inFlight
    if (!this.#isOpen || frames.length === 0) return this.#isOpen
    const inFlight = new Promise<void>((resolve) => {
      this.#release = () => {
        this.#inFlight = undefined
        resolve()
      }
    })
    this.#inFlight = inFlight
    this.#call.write(frames, () => this.#release?.())
    return true
  }

  /** Ends the call with status OK. */
  end(): void {
    if (!this.#isOpen) return
    this.#call.end()
    this.#close()
  }

  /** Ends the call with an error, behind what was sent before. */
  fail(status: Partial<StatusObject>): void {
    if (!this.#isOpen) return
    this.#call.emit('error', status)
    this.#close()
  }

  shutDown(): void {
    this.fail(shuttingDown().status)
  }

  #close(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#release?.()
    this.#onClosed()
  }
}
