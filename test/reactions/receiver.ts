import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { Webhook } from 'standardwebhooks'
import { onTestFinished } from 'vitest'
import { z } from 'zod'

export const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'

export interface Delivery {
  readonly id: string
  readonly method: string | undefined
  readonly path: string | undefined
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

export interface Receiver {
  readonly url: string
  readonly port: number
  /** In the order in which they came. */
  readonly deliveries: Delivery[]
  /** How it answers from now on. */
  answer: (response: ServerResponse, delivery: Delivery) => void
  /** Breaks all connections and takes no more. */
  close(): Promise<void>
}

export const ok = (response: ServerResponse) => void response.writeHead(204).end()

export const status = (code: number, headers: Record<string, string> = {}) => {
  return (response: ServerResponse) => void response.writeHead(code, headers).end('no')
}

/** A webhook receiver on loopback; closed with the test. */
export async function startReceiver(port = 0): Promise<Receiver> {
  const server = createServer(async (request, response) => {
    const { method, headers, url: path } = request
    const delivery = { id: String(headers['webhook-id']), method, path, headers, body: await text(request) }
    receiver.deliveries.push(delivery)
    receiver.answer(response, delivery)
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  const address = z.object({ port: z.int() }).parse(server.address())
  const receiver: Receiver = {
    url: `http://127.0.0.1:${address.port}/hooks`,
    port: address.port,
    deliveries: [],
    answer: ok,
    async close() {
      if (!server.listening) return
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
  onTestFinished(() => receiver.close())
  return receiver
}

/** The body, once its signature has been verified as a receiver does it. Throws where it does not fit. */
export function verified({ body, headers }: Delivery): unknown {
  const fields = z.record(z.string(), z.string()).parse(headers)
  return new Webhook(SECRET).verify(body, fields)
}
