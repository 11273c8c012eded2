import { type ClientHttp2Session, type ClientHttp2Stream, connect as connectHttp2, type Settings } from 'node:http2'
import { connect, type Socket } from 'node:net'

/** A gRPC frame; a wrong length or flag where they are given. */
export function framed(message: Uint8Array, length = message.length, flag = 0): Buffer {
  const head = Buffer.alloc(5)
  head[0] = flag
  head.writeUInt32BE(length % 2 ** 32, 1)
  return Buffer.concat([head, message])
}

/** A raw HTTP/2 frame. */
export function http2Frame(type: number, flags: number, stream: number, payload: Uint8Array): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head[3] = type
  head[4] = flags
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}

export const PREFACE = Buffer.concat([
  Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  http2Frame(4, 0, 0, Buffer.alloc(0)),
])

/** The connections of one attack; what the node does to them is its right. */
export class Connections {
  readonly #port: number
  readonly #open: (ClientHttp2Session | Socket)[] = []

  constructor(port: number) {
    this.#port = port
  }

  http2(settings: Settings = {}): ClientHttp2Session {
    const session = connectHttp2(`http://127.0.0.1:${this.#port}`, { settings })
    session.on('error', () => {})
    this.#open.push(session)
    return session
  }

  socket(): Socket {
    const socket = connect(this.#port, '127.0.0.1')
    socket.on('error', () => {})
    this.#open.push(socket)
    return socket
  }

  closeAll(): void {
    for (const connection of this.#open) connection.destroy()
  }
}

export function call(
  session: ClientHttp2Session,
  path: string,
  headers: Record<string, string> = {},
): ClientHttp2Stream {
  const stream = session.request({
    ':method': 'POST',
    ':path': path,
    'content-type': 'application/grpc',
    te: 'trailers',
    ...headers,
  })
  stream.on('error', () => {})
  return stream
}

/**
 * Resolves when it is over, with an error or without; in a turn of its own, for Node.js does not return from destroying a
 * session while it receives something.
 */
export const closed = (connection: ClientHttp2Session | ClientHttp2Stream): Promise<void> =>
  new Promise((resolve) => {
    connection.once('close', () => setImmediate(resolve))
  })
