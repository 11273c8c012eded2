import { createServer, STATUS_CODES, type Server } from 'node:http'
import type { Duplex } from 'node:stream'
import { getRequestListener } from '@hono/node-server'
import type { Hono } from 'hono'
import type { Variables } from './module.ts'
import { HttpProblem, problemOf } from './problem.ts'
import { requestId } from './request-id.ts'

export interface ListeningServer {
  /** Where it listens, with the port that it got where 0 was asked for. */
  readonly url: string
  /**
   * Stops accepting connections, closes the idle ones at once, answers the requests that were accepted and then closes
   * their connections too. What is not answered within 8 seconds is cut off.
   */
  close(): Promise<void>
}

/** Milliseconds for a client to send the headers of a request, and to send all of it. */
const headersTimeout = 10_000
const requestTimeout = 30_000
const closeTimeout = 8_000

/**
 * Serves the app over HTTP/1.1.
 *
 * @throws {AddressInUse}
 */
export async function listen(
  app: Hono<{ Variables: Variables }>,
  { host, port }: { readonly host: string; readonly port: number },
): Promise<ListeningServer> {
  let closing = false
  const lastOfItsConnection = (response: Response) => {
    if (closing) response.headers.set('Connection', 'close')
    return response
  }
  const answer = getRequestListener(
    (request) => {
      const response = app.fetch(request)
      return response instanceof Promise ? response.then(lastOfItsConnection) : lastOfItsConnection(response)
    },
    { errorHandler: unreadableRequest },
  )
  // A request without Host is refused by the listener, with a problem; node:http would answer without one.
  const options = { headersTimeout, requestTimeout, connectionsCheckingInterval: 1_000, requireHostHeader: false }
  const server = createServer(options, answer)
  server.on('clientError', refuse)
  await listening(server, host, port)
  return {
    url: urlOf(server),
    close: () =>
      new Promise((resolve) => {
        closing = true
        const deadline = setTimeout(() => server.closeAllConnections(), closeTimeout)
        server.close(() => {
          clearTimeout(deadline)
          resolve()
        })
      }),
  }
}

/** Another process listens on the port. */
export class AddressInUse extends Error {
  override readonly name = 'AddressInUse'
  readonly host: string
  readonly port: number

  constructor(host: string, port: number, options?: ErrorOptions) {
    super(`port ${port} of ${host} is in use by another process`, options)
    this.host = host
    this.port = port
  }
}

function listening(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => {
      const inUse = 'code' in error && error.code === 'EADDRINUSE'
      reject(inUse ? new AddressInUse(host, port, { cause: error }) : error)
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

/** Answers what could not be made a request of, such as one without a Host. */
function unreadableRequest(error: unknown): Response {
  const reason = error instanceof Error ? error.message : 'unreadable'
  const { status, headers, body } = rawProblem(new HttpProblem('bad-request', `The request was refused: ${reason}.`))
  return new Response(body, { status, headers })
}

/** Answers what is not HTTP, or came too slowly, and closes the connection. */
function refuse(error: Error, socket: Duplex): void {
  if (!socket.writable) {
    socket.destroy(error)
    return
  }
  const { status, headers, body } = rawProblem(clientProblem(error))
  const lines = Object.entries({ ...headers, 'Content-Length': Buffer.byteLength(body), Connection: 'close' })
  const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${head}\r\n${body}`)
}

function clientProblem(error: Error): HttpProblem {
  const code = 'code' in error ? error.code : undefined
  if (code === 'HPE_HEADER_OVERFLOW') return new HttpProblem('headers-too-large', 'The header fields are too large.')
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return new HttpProblem('request-timeout', 'The request came too slowly.')
  return new HttpProblem('bad-request', 'This is not a valid HTTP/1.1 request.')
}

function rawProblem(problem: HttpProblem): { status: number; headers: Record<string, string>; body: string } {
  const { status, headers, details } = problemOf(problem, {})
  return {
    status,
    headers: { ...headers, 'Content-Type': 'application/problem+json', 'X-Request-Id': requestId(undefined) },
    body: JSON.stringify(details),
  }
}
