import { createServer, type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http'
import { Server as TcpServer } from 'node:net'
import type { Duplex } from 'node:stream'
import { getRequestListener } from '@hono/node-server'
import { Connections } from './connections.ts'
import { HttpProblem, problemOf } from './problem.ts'
import { requestId } from './request-id.ts'

export interface ListeningServer {
  /** Where it listens, with the port that it got where 0 was asked for. */
  readonly url: string
  /** How many connections are open. */
  connections(): number
  /**
   * Stops accepting connections at once. The open ones are closed with the next answer; those that have none to wait
   * for are closed after 150 ms, so that a request that is on its way is not lost. What is not answered within
   * 8 seconds is cut off.
   */
  close(): Promise<void>
}

export interface ServerLimits {
  /** Milliseconds for a client to send the headers of a request, and to send all of it: then it gets 408. */
  readonly headersTimeout: number
  readonly requestTimeout: number
  /** Least time between two looks at these, in milliseconds. */
  readonly connectionsCheckingInterval: number
  /**
   * Milliseconds after which a connection is closed on which nothing goes either way, be it that the client does not
   * read its answer. More than a query may wait for the read model, in which nothing goes either.
   */
  readonly idleTimeout: number
  /** Bytes of the request line and the headers together: beyond them it is 431. The body has a limit of its own. */
  readonly maxHeaderSize: number
  /** Bytes of the target in the request line: beyond them it is 414. RFC 9110 wants at least 8,000 to be taken. */
  readonly maxUrlLength: number
  readonly maxConnections: number
}

const defaultLimits: ServerLimits = {
  ...{ headersTimeout: 10_000, requestTimeout: 30_000, connectionsCheckingInterval: 1_000, idleTimeout: 60_000 },
  ...{ maxHeaderSize: 16_384, maxUrlLength: 8_000, maxConnections: 1_000 },
}

/** Milliseconds for the requests that were accepted to be answered when the server is closing. */
const closeTimeout = 8_000

/** Milliseconds for a client to take why it was refused, and to close its side. */
const lingerTimeout = 1_000

/** Milliseconds after which connections without a request are closed, again and again, when the server is closing. */
const closeIdleInterval = 150

/**
 * Serves the app over HTTP/1.1. What a client may take of the server is limited: see {@link ServerLimits}.
 *
 * @param onRefused told of the status of each answer to what the app is not to see
 * @throws {CannotListen}
 */
export async function listen(
  app: { fetch(request: Request): Response | Promise<Response> },
  { host, port }: { readonly host: string; readonly port: number },
  limits: Partial<ServerLimits> = {},
  onRefused: (status: number) => void = () => undefined,
): Promise<ListeningServer> {
  let closing = false
  const refused = (problem: HttpProblem) => {
    onRefused(problemOf(problem, {}).status)
    return problem
  }
  const lastOfItsConnection = (response: Response) => {
    if (closing) response.headers.set('Connection', 'close')
    return response
  }
  let current: IncomingMessage | undefined
  const answer = getRequestListener(
    (request) => {
      const response = app.fetch(request)
      return response instanceof Promise ? response.then(lastOfItsConnection) : lastOfItsConnection(response)
    },
    // It is called before the listener returns, and not told of which request.
    { errorHandler: (error) => lastOfItsConnection(asResponse(refused(unreadable(error)), current)) },
  )
  // A request without Host is refused by the listener, with a problem; node:http would answer without one.
  const { idleTimeout, maxUrlLength, maxConnections, ...options } = { ...defaultLimits, ...limits }
  const server = createServer({ ...options, requireHostHeader: false }, (incoming, outgoing) => {
    if (!connections.used(incoming, outgoing)) return
    if ((incoming.url?.length ?? 0) > maxUrlLength) return respond(outgoing, refused(uriTooLong(maxUrlLength)))
    if (isRepeated(incoming, 'host')) {
      return respond(outgoing, refused(new HttpProblem('bad-request', 'There may be one Host only.')))
    }
    if (isAbandonedByEnd(incoming)) {
      const giveUp = () => outgoing.writableEnded || outgoing.destroy()
      incoming.socket.once('end', giveUp)
      outgoing.once('close', () => incoming.socket.off('end', giveUp))
    }
    current = incoming
    return answer(incoming, outgoing)
  })
  server.setTimeout(idleTimeout)
  const connections = new Connections(server, maxConnections, (socket) => {
    const detail = 'The server has as many connections as it may, and all of them are in use.'
    refuse(socket, refused(new HttpProblem('too-many-connections', detail, { 'Retry-After': '1' })), undefined)
  })
  allowHalfOpen(server)
  server.on('clientError', (error, socket) => {
    if (connections.isAnswered(socket)) socket.destroy()
    else refuse(socket, refused(clientProblem(error, maxUrlLength)), beginningOf(error))
  })
  server.on('checkExpectation', (_: IncomingMessage, outgoing: ServerResponse) => {
    const detail = 'The only expectation that can be met is 100-continue.'
    respond(outgoing, refused(new HttpProblem('expectation-failed', detail)))
  })
  server.on('connect', (incoming, socket) => {
    socket.resume()
    refuse(socket, refused(new HttpProblem('not-implemented', 'CONNECT is for proxies.')), incoming)
  })
  await listening(server, host, port)
  return {
    url: urlOf(server),
    connections: () => connections.count,
    close: () =>
      new Promise((resolve) => {
        closing = true
        const deadline = setTimeout(() => server.closeAllConnections(), closeTimeout)
        const idle = setInterval(() => {
          server.closeIdleConnections()
          connections.closeUnused()
        }, closeIdleInterval)
        // Not the HTTP server's own, which closes idle connections at once.
        TcpServer.prototype.close.call(server, () => {
          clearTimeout(deadline)
          clearInterval(idle)
          resolve()
        })
      }),
  }
}

/** There is nothing to listen on: the port is in use (EADDRINUSE), or the host or the port cannot be had. */
export class CannotListen extends Error {
  override readonly name = 'CannotListen'
  readonly host: string
  readonly port: number
  /** Of the operating system, such as EADDRNOTAVAIL. */
  readonly code: string

  constructor(host: string, port: number, code: string, options?: ErrorOptions) {
    const trouble = code === 'EADDRINUSE' ? 'is in use by another process' : `cannot be listened on: ${code}`
    super(`port ${port} of ${host} ${trouble}`, options)
    this.host = host
    this.port = port
    this.code = code
  }
}

function listening(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => {
      const code = 'code' in error ? String(error.code) : error.message
      reject(new CannotListen(host, port, code, { cause: error }))
    })
    server.listen(port, host, resolve)
  })
}

function urlOf(server: Server): string {
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the server does not listen on a port')
  const host = address.family === 'IPv6' ? `[${address.address}]` : address.address
  return `http://${host}:${address.port}`
}

/** A client that has ended its side may still want the answer to what it sent. The types of Node do not know the field. */
function allowHalfOpen(server: Server): void {
  Object.assign(server, { httpAllowHalfOpen: true })
}

/**
 * A query that waits holds something for its client, and so does a stream of events; a client that gives up often shows
 * no more than an end.
 */
function isAbandonedByEnd({ method, headers }: IncomingMessage): boolean {
  if (method !== 'GET' && method !== 'HEAD') return false
  return headers['consistency-token'] !== undefined || headers.accept === 'text/event-stream'
}

/** RFC 9112 wants more than one Host refused; node:http drops all but the first. */
function isRepeated({ rawHeaders }: IncomingMessage, name: string): boolean {
  return rawHeaders.filter((text, index) => index % 2 === 0 && text.toLowerCase() === name).length > 1
}

/** What could not be made a request of, such as one without a Host. */
function unreadable(error: unknown): HttpProblem {
  const reason = error instanceof Error ? error.message : 'unreadable'
  return new HttpProblem('bad-request', `The request was refused: ${reason}.`)
}

function asResponse(problem: HttpProblem, incoming: RequestHead | undefined): Response {
  const { status, headers, body } = rawProblem(problem, incoming)
  return new Response(body, { status, headers })
}

/** Answers a request that the app is not to see, and closes the connection. */
function respond(outgoing: ServerResponse, problem: HttpProblem): void {
  const { status, headers, body } = rawProblem(problem, outgoing.req)
  outgoing.writeHead(status, { ...headers, 'Content-Length': Buffer.byteLength(body), Connection: 'close' }).end(body)
}

/** Answers what is not HTTP, is not for this server, or came too slowly, and closes the connection. */
function refuse(socket: Duplex, problem: HttpProblem, incoming: RequestHead | undefined): void {
  if (!socket.writable) {
    socket.destroy()
    return
  }
  const { status, headers, body } = rawProblem(problem, incoming)
  const lines = Object.entries({ ...headers, 'Content-Length': Buffer.byteLength(body), Connection: 'close' })
  const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${head}\r\n${body}`)
  // The other side need not close, and nobody looks at this one any more.
  const linger = setTimeout(() => socket.destroy(), lingerTimeout)
  socket.once('close', () => clearTimeout(linger)).on('error', () => undefined)
}

function clientProblem(error: Error, maxUrlLength: number): HttpProblem {
  const code = 'code' in error ? error.code : undefined
  const target = /^[A-Z]+ (\S+)/.exec(packetOf(error))?.[1] ?? ''
  if (code === 'HPE_HEADER_OVERFLOW' && target.length > maxUrlLength) return uriTooLong(maxUrlLength)
  if (code === 'HPE_HEADER_OVERFLOW') return new HttpProblem('headers-too-large', 'The header fields are too large.')
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return new HttpProblem('request-timeout', 'The request came too slowly.')
  return new HttpProblem('bad-request', 'This is not a valid HTTP/1.1 request.')
}

/** As much as is known of a request that was refused. */
type RequestHead = Pick<IncomingMessage, 'url' | 'headers'>

/** What node:http could not parse is in the error, if it came in one piece. */
function beginningOf(error: Error): RequestHead | undefined {
  const url = /^[A-Z]+ (\/\S*) HTTP\//.exec(packetOf(error))?.[1]
  return url === undefined ? undefined : { url, headers: {} }
}

function packetOf(error: Error): string {
  return 'rawPacket' in error && Buffer.isBuffer(error.rawPacket) ? error.rawPacket.toString('latin1') : ''
}

function uriTooLong(most: number): HttpProblem {
  return new HttpProblem('uri-too-long', `The target of a request must have at most ${most} bytes.`)
}

function rawProblem(
  problem: HttpProblem,
  incoming: RequestHead | undefined,
): { status: number; headers: Record<string, string>; body: string } {
  const { status, headers, details } = problemOf(problem, {})
  const inbound = incoming?.headers['x-request-id']
  const id = requestId(typeof inbound === 'string' ? inbound : undefined)
  const instance = incoming?.url?.split('?', 1)[0]
  return {
    status,
    headers: { ...headers, 'Content-Type': 'application/problem+json', 'X-Request-Id': id },
    body: JSON.stringify({ ...details, ...(instance && { instance }) }),
  }
}
