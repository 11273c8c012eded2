import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'

interface Exchange {
  readonly incoming: IncomingMessage
  readonly outgoing: ServerResponse
}

/**
 * Bounds the connections of a server. One more takes the place of the one that has waited longest of those that keep
 * nobody waiting here: they have sent nothing, only a part of a request, or do not read their answer. So slow clients,
 * however many, keep nobody out. Where every connection has a request that is being answered, the new one is refused.
 */
export class Connections {
  /** With the last request of each. Those that were used last come last. */
  readonly #open = new Map<Duplex, Exchange | undefined>()

  constructor(server: Server, most: number, refuse: (socket: Duplex) => void) {
    server.prependListener('connection', (socket) => {
      const isFull = this.#open.size >= most
      if (isFull && !this.#closeIdle()) return refuse(socket)
      this.#open.set(socket, undefined)
      socket.once('close', () => this.#open.delete(socket))
    })
  }

  /** How many are open. */
  get count(): number {
    return this.#open.size
  }

  /** To be called with each request. False where its connection was refused, and so it must not be answered. */
  used(incoming: IncomingMessage, outgoing: ServerResponse): boolean {
    const { socket } = incoming
    if (!this.#open.delete(socket)) return false
    this.#open.set(socket, { incoming, outgoing })
    return true
  }

  /** Whether its last request was answered before it was all there, so that there is nothing more to say. */
  isAnswered(socket: Duplex): boolean {
    const exchange = this.#open.get(socket)
    return exchange !== undefined && !exchange.incoming.complete && exchange.outgoing.headersSent
  }

  /** Closes those on which nothing has come yet: a browser opens some for requests that it may have later. */
  closeUnused(): void {
    for (const [socket, exchange] of this.#open) {
      if (!exchange && socket instanceof Socket && socket.bytesRead === 0) socket.destroy()
    }
  }

  #closeIdle(): boolean {
    for (const [socket, exchange] of this.#open) {
      if (exchange && isBeingAnswered(exchange)) continue
      this.#open.delete(socket)
      socket.destroy()
      return true
    }
    return false
  }
}

function isBeingAnswered({ incoming, outgoing }: Exchange): boolean {
  return incoming.complete && !outgoing.writableEnded
}
