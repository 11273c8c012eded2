import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { setTimeout } from 'node:timers/promises'

/** The vocabulary of toxiproxy: https://github.com/Shopify/toxiproxy#toxics. Times are milliseconds. */
export type Toxic =
  /** Each chunk comes later. */
  | { readonly type: 'latency'; readonly latency: number }
  /** At most so many bytes in a second. */
  | { readonly type: 'bandwidth'; readonly rate: number }
  /** Data is thrown away; the connection is closed after the time, or with 0 when the toxic is removed. */
  | { readonly type: 'timeout'; readonly timeout: number }
  /** The connection is reset (RST) after the time. */
  | { readonly type: 'reset_peer'; readonly timeout: number }
  /** The end of the data is passed on later. */
  | { readonly type: 'slow_close'; readonly delay: number }
  /** The connection is closed after so many bytes. */
  | { readonly type: 'limit_data'; readonly bytes: number }

/** Downstream is from the server to the client. */
type Direction = 'upstream' | 'downstream'

export interface ToxicProxy {
  readonly port: number
  /** For connections that there are and that come, until the function that is returned is called. */
  add(toxic: Toxic, direction?: Direction): () => void
  /** Breaks all connections and refuses new ones. */
  down(): void
  /** From now on nothing is read from either side, as if both were stopped; connections stay open. */
  freeze(): void
  /** The same, but only for the connections that are open now, until the function that is returned is called. */
  freezeOpen(): () => void
  /** What was held back goes on its way. */
  thaw(): void
  /** Everything is as in the beginning, and all connections are broken. */
  reset(): void
  close(): Promise<void>
}

/** A TCP proxy on loopback. Half-closed connections stay half closed. */
export async function startProxy(target: { readonly host: string; readonly port: number }): Promise<ToxicProxy> {
  const toxics = new Set<{ readonly toxic: Toxic; readonly direction: Direction }>()
  const sockets = new Set<Socket>()
  let isDown = false
  let isFrozen = false
  const active = (direction: Direction) => () =>
    [...toxics].flatMap((added) => (added.direction === direction ? [added.toxic] : []))
  const server = createServer({ allowHalfOpen: true }, (client) => {
    if (isDown) return client.destroy()
    const upstream = connect({ ...target, allowHalfOpen: true })
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(socket)
      socket.on('error', () => undefined)
      socket.on('close', (hadError) => {
        sockets.delete(socket)
        if (hadError || !socket.readableEnded) other.destroy()
      })
    }
    forward(client, upstream, active('upstream'))
    forward(upstream, client, active('downstream'))
    if (isFrozen) for (const socket of [client, upstream]) socket.pause()
    return undefined
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('not listening on a port')
  const breakAll = () => {
    for (const socket of sockets) socket.destroy()
  }
  return {
    port: address.port,
    add(toxic, direction = 'downstream') {
      const added = { toxic, direction }
      toxics.add(added)
      if (toxic.type === 'reset_peer') resetAfter(toxic.timeout, sockets)
      if (toxic.type === 'timeout' && toxic.timeout > 0) closeAfter(toxic.timeout, sockets)
      return () => {
        if (toxics.delete(added) && toxic.type === 'timeout') breakAll()
      }
    },
    down() {
      isDown = true
      breakAll()
    },
    freeze() {
      isFrozen = true
      for (const socket of sockets) socket.pause()
    },
    freezeOpen() {
      isFrozen = false
      const open = [...sockets]
      for (const socket of open) socket.pause()
      return () => {
        for (const socket of open) socket.resume()
      }
    },
    thaw() {
      isFrozen = false
      for (const socket of sockets) socket.resume()
    },
    reset() {
      isDown = false
      isFrozen = false
      toxics.clear()
      breakAll()
    },
    async close() {
      breakAll()
      server.close()
      await once(server, 'close')
    },
  }
}

/** In order, each chunk with the toxics of the moment. */
function forward(from: Socket, to: Socket, toxics: () => Toxic[]): void {
  let tail = Promise.resolve()
  let forwarded = 0
  const then = (step: () => Promise<void>) => {
    tail = tail.then(step)
  }
  from.on('data', (chunk: Buffer) => {
    const arrival = performance.now()
    then(async () => {
      let data = chunk
      for (const toxic of toxics()) {
        if (toxic.type === 'timeout') return
        if (toxic.type === 'latency') await setTimeout(Math.max(0, arrival + toxic.latency - performance.now()))
        if (toxic.type === 'bandwidth') await setTimeout((data.length / toxic.rate) * 1_000)
        if (toxic.type === 'limit_data') data = data.subarray(0, Math.max(0, toxic.bytes - forwarded))
      }
      forwarded += data.length
      if (!to.destroyed) to.write(data)
      if (data.length < chunk.length) to.destroySoon()
    })
  })
  from.on('end', () => {
    then(async () => {
      for (const toxic of toxics()) {
        if (toxic.type === 'timeout') return
        if (toxic.type === 'slow_close') await setTimeout(toxic.delay)
      }
      to.end()
    })
  })
}

async function resetAfter(milliseconds: number, sockets: ReadonlySet<Socket>): Promise<void> {
  await setTimeout(milliseconds)
  for (const socket of sockets) socket.resetAndDestroy()
}

async function closeAfter(milliseconds: number, sockets: ReadonlySet<Socket>): Promise<void> {
  await setTimeout(milliseconds)
  for (const socket of sockets) socket.destroy()
}
