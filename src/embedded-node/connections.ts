import type { ServerHttp2Session } from 'node:http2'
import { Server } from 'node:net'
import type * as grpc from '@grpc/grpc-js'
import { reportFault } from './fault.ts'

/** Each takes a file descriptor, and some 30 KB of memory. */
const MAX_CONNECTIONS = 4_096

/**
 * Limits the connections of a server that is bound, and keeps them from ending the process. Needs the HTTP/2 servers,
 * which grpc-js has in a private field; where that is missing nothing is limited, and the node reports a fault.
 */
export function guardConnections(server: grpc.Server, limit = MAX_CONNECTIONS): void {
  const bound: unknown = Reflect.get(server, 'http2Servers')
  const servers = bound instanceof Map ? [...bound.keys()].filter((each) => each instanceof Server) : []
  if (servers.length === 0) reportFault(new Error(UNGUARDED))
  for (const each of servers) {
    each.maxConnections = limit
    each.on('session', outlive)
  }
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

const UNGUARDED = 'grpc-js does not show its HTTP/2 servers: connections are not limited'

const COLLECTABLE = 'Node.js does not show the handles of HTTP/2 sessions: clients can end the process by their headers'
