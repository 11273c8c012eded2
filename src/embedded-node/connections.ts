import { constants, type Http2Session, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2'
import { Server } from 'node:net'
import type * as grpc from '@grpc/grpc-js'
import { reportFault } from './fault.ts'

/** What a server accepts. */
export interface ConnectionLimits {
  readonly connections: number
  /** Of all connections together. */
  readonly calls: number
  /** What a connection may have when there are more calls than that. */
  readonly fewCalls: number
  /** Those that may send {@link WINDOW_BYTES} ahead of the node, instead of the 64 KiB of RFC 9113. */
  readonly wideConnections: number
}

const LIMITS: ConnectionLimits = { connections: 4_096, calls: 32_768, fewCalls: 16, wideConnections: 64 }

/** The largest append fits into it: of one that does not, the rest waits for the client to see that the window is open. */
const WINDOW_BYTES = 1024 * 1024

/**
 * Limits the connections and the calls of a server that is bound, and keeps them from ending the process. Needs the
 * HTTP/2 servers, which grpc-js has in a private field; where that is missing nothing is limited, and the node reports a
 * fault.
 */
export function guardConnections(server: grpc.Server, limits = LIMITS): void {
  const bound: unknown = Reflect.get(server, 'http2Servers')
  const servers = bound instanceof Map ? [...bound.keys()].filter((each) => each instanceof Server) : []
  if (servers.length === 0) reportFault(new Error(UNGUARDED))
  const calls = new OpenCalls(limits)
  for (const each of servers) {
    each.maxConnections = limits.connections
    each.on('session', outlive)
    each.on('session', (session) => widen(session, each, limits))
    each.on('stream', (stream: ServerHttp2Stream) => calls.add(stream))
  }
}

/**
 * The calls of all connections. Those of clients that have many are refused first: a client alone cannot keep the others
 * from theirs.
 */
class OpenCalls {
  readonly #limits: ConnectionLimits
  readonly #of = new WeakMap<Http2Session, number>()
  #all = 0

  constructor(limits: ConnectionLimits) {
    this.#limits = limits
  }

  /** Called when grpc-js has begun to serve the call: it takes the refusal for a cancellation. */
  add(stream: ServerHttp2Stream): void {
    const { session } = stream
    if (session === undefined || stream.destroyed) return
    const own = this.#change(session, 1)
    stream.once('close', () => this.#change(session, -1))
    if (this.#all > this.#limits.calls && own > this.#limits.fewCalls) {
      stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM)
    }
  }

  #change(session: Http2Session, by: number): number {
    const own = (this.#of.get(session) ?? 0) + by
    this.#of.set(session, own)
    this.#all += by
    return own
  }
}

/**
 * Lets the client send the next append while the node writes the one before. What a connection may send ahead the node
 * may have to hold: only so many have more of it than by default.
 */
function widen(session: ServerHttp2Session, server: Server, { wideConnections }: ConnectionLimits): void {
  server.getConnections((error, connections) => {
    if (error !== null || connections > wideConnections || session.destroyed) return
    session.settings({ initialWindowSize: WINDOW_BYTES })
    session.setLocalWindowSize(WINDOW_BYTES)
  })
}

/** Native halves of connections that must not be collected yet. */
const handles = new Set<unknown>()

/**
 * Node.js aborts the process when the native half of a connection is collected before that of a stream that still has
 * headers: `Assertion failed: (current_nghttp2_memory_) == (0)` in `~Http2Session`. A stream that was refused for more
 * than 128 headers lives until the next turn of the event loop; its connection, closed at once, can be collected
 * earlier. So every connection is kept for two turns more.
 */
function outlive(session: ServerHttp2Session): void {
  const symbol = Object.getOwnPropertySymbols(session).find(({ description }) => description === 'kHandle')
  const handle: unknown = symbol === undefined ? undefined : Reflect.get(session, symbol)
  if (handle === undefined) {
    reportFault(new Error(COLLECTABLE))
    return
  }
  handles.add(handle)
  session.once('close', () => setImmediate(() => setImmediate(() => handles.delete(handle))))
}

const UNGUARDED = 'grpc-js does not show its HTTP/2 servers: connections and calls are not limited'

const COLLECTABLE = 'Node.js does not show the handles of HTTP/2 sessions: clients can end the process by their headers'
