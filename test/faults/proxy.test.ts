import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { startProxy } from './proxy.ts'

/** A proxy ahead of a server that sends back what it gets, and one connection through it. */
async function start() {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => undefined)
    socket.pipe(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('not listening on a port')
  const proxy = await startProxy({ host: '127.0.0.1', port: address.port })
  onTestFinished(async () => {
    await proxy.close()
    server.close()
  })
  return { proxy, client: await connected(proxy.port) }
}

interface Client {
  readonly socket: Socket
  received(): string
  error(): string | undefined
}

async function connected(port: number): Promise<Client> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  let received = ''
  let error: string | undefined
  socket.on('data', (chunk) => {
    received += chunk
  })
  socket.on('error', (failure: NodeJS.ErrnoException) => {
    error = failure.code
  })
  await Promise.race([once(socket, 'connect'), once(socket, 'close')])
  onTestFinished(() => {
    socket.destroy()
  })
  return { socket, received: () => received, error: () => error }
}

async function echoed({ socket, received }: Client, text: string): Promise<number> {
  const started = performance.now()
  const before = received().length
  socket.write(text)
  await eventually(() => received().slice(before) === text, `${text} to come back`)
  return performance.now() - started
}

describe('the proxy', () => {
  it('passes on what comes, and the end of one side only', async () => {
    const { client } = await start()
    await echoed(client, 'hello')
    client.socket.end('last words')
    await once(client.socket, 'end')
    expect(client.received()).toBe('hellolast words')
  })

  it('delays', async () => {
    const { proxy, client } = await start()
    const remove = proxy.add({ type: 'latency', latency: 150 })
    expect(await echoed(client, 'slow')).toBeGreaterThanOrEqual(145)
    remove()
    expect(await echoed(client, 'fast')).toBeLessThan(145)
  })

  it('limits the rate', async () => {
    const { proxy, client } = await start()
    proxy.add({ type: 'bandwidth', rate: 10_000 }, 'upstream')
    expect(await echoed(client, 'x'.repeat(2_000))).toBeGreaterThanOrEqual(195)
  })

  it('drops replies only, and breaks the connections that missed them when that ends', async () => {
    const { proxy, client } = await start()
    const remove = proxy.add({ type: 'timeout', timeout: 0 })
    client.socket.write('lost')
    const other = await connected(proxy.port)
    expect(other.socket.destroyed).toBe(false)
    remove()
    await eventually(() => client.socket.destroyed || client.socket.readableEnded, 'the connection to be broken')
    expect(client.received()).toBe('')
    await echoed(await connected(proxy.port), 'again')
  })

  it('closes after a time', async () => {
    const { proxy, client } = await start()
    proxy.add({ type: 'timeout', timeout: 50 })
    await once(client.socket, 'end')
    expect(client.received()).toBe('')
  })

  it('resets', async () => {
    const { proxy, client } = await start()
    await echoed(client, 'hello')
    proxy.add({ type: 'reset_peer', timeout: 0 })
    await eventually(() => client.error() === 'ECONNRESET', 'the reset')
  })

  it('passes the end on later', async () => {
    const { proxy, client } = await start()
    proxy.add({ type: 'slow_close', delay: 150 })
    const started = performance.now()
    client.socket.end()
    await once(client.socket, 'end')
    expect(performance.now() - started).toBeGreaterThanOrEqual(145)
  })

  it('ends after so many bytes', async () => {
    const { proxy, client } = await start()
    proxy.add({ type: 'limit_data', bytes: 5 })
    client.socket.write('1234567890')
    await once(client.socket, 'end')
    expect(client.received()).toBe('12345')
  })

  it('freezes, and loses nothing', async () => {
    const { proxy, client } = await start()
    await echoed(client, 'hello')
    proxy.freeze()
    client.socket.write(' and')
    const other = await connected(proxy.port)
    other.socket.write('held')
    const { proxy: clock, client: ticking } = await start()
    clock.add({ type: 'latency', latency: 50 })
    await echoed(ticking, 'some time')
    expect([client.received(), other.received()]).toEqual(['hello', ''])
    proxy.thaw()
    await eventually(() => client.received() === 'hello and' && other.received() === 'held', 'all to come')
  })

  it('is down, and up again', async () => {
    const { proxy, client } = await start()
    proxy.down()
    await eventually(() => client.socket.destroyed || client.socket.readableEnded, 'the connection to be broken')
    const refused = await connected(proxy.port)
    await eventually(() => refused.socket.destroyed || refused.socket.readableEnded, 'a new one to be broken')
    proxy.reset()
    await echoed(await connected(proxy.port), 'again')
  })
})
