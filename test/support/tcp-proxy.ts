import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

export interface TcpProxy {
  readonly port: number
  /** From now on, what the server answers is thrown away. */
  dropReplies(): void
  /** From now on, nothing goes either way, and connections stay open. */
  freeze(): void
  /** Nothing goes either way on the connections that are open, until the function that is returned is called. */
  freezeOpen(): () => void
  /** Breaks all connections and refuses new ones. */
  cut(): void
  /** Breaks all connections and forwards new ones again. */
  restore(): void
  close(): Promise<void>
}

/** A TCP proxy on loopback whose connections can be made to fail. */
export async function startTcpProxy(target: { host: string; port: number }): Promise<TcpProxy> {
  let mode: 'forward' | 'drop replies' | 'freeze' | 'cut' = 'forward'
  const sockets = new Set<Socket>()
  const frozen = new WeakSet<Socket>()
  const server = createServer((client) => {
    if (mode === 'cut') return client.destroy()
    const upstream = connect(target)
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(from)
      from.on('error', () => undefined)
      from.on('close', () => {
        sockets.delete(from)
        to.destroy()
      })
    }
    client.on('data', (chunk) => mode !== 'freeze' && !frozen.has(client) && upstream.write(chunk))
    upstream.on('data', (chunk) => mode === 'forward' && !frozen.has(upstream) && client.write(chunk))
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
    dropReplies: () => {
      mode = 'drop replies'
    },
    freeze: () => {
      mode = 'freeze'
    },
    freezeOpen: () => {
      const open = [...sockets]
      for (const socket of open) frozen.add(socket)
      return () => {
        for (const socket of open) frozen.delete(socket)
      }
    },
    cut: () => {
      mode = 'cut'
      breakAll()
    },
    restore: () => {
      mode = 'forward'
      breakAll()
    },
    async close() {
      breakAll()
      server.close()
      await once(server, 'close')
    },
  }
}
