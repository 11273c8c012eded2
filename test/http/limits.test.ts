import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { Hono } from 'hono'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { RouteVariables } from '../../src/http/module.ts'
import { listen, type ServerLimits } from '../../src/http/server.ts'
import { eventually } from '../support/eventually.ts'
import { aUser, startService } from './service.ts'

const { app, appWith } = await startService()

const quick = { headersTimeout: 300, requestTimeout: 400, connectionsCheckingInterval: 50, idleTimeout: 500 }

const aGet = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'
const ok = /^HTTP\/1.1 200 /

describe('a request is refused with a problem, and its connection is closed', () => {
  it.each([
    ['414 for a long URL', 'uri-too-long', 414, `GET /${'x'.repeat(8_000)} HTTP/1.1\r\nHost: a\r\n\r\n`],
    ['414 for a very long URL', 'uri-too-long', 414, `GET /${'x'.repeat(30_000)} HTTP/1.1\r\nHost: a\r\n\r\n`],
    [
      '431 for a large header',
      'headers-too-large',
      431,
      `GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(17_000)}\r\n\r\n`,
    ],
    [
      '431 for many headers',
      'headers-too-large',
      431,
      `GET / HTTP/1.1\r\nHost: a\r\n${'X: yyyyyyyy\r\n'.repeat(2_000)}\r\n`,
    ],
    ['408 for headers that do not end', 'request-timeout', 408, 'GET / HTTP/1.1\r\nHost: a\r\n'],
    ['408 for a body that does not end', 'request-timeout', 408, `${headOfPost(100)}{`],
    ['413 for a body that is declared too large', 'content-too-large', 413, headOfPost(16_385)],
  ])('%s', async (_, slug, status, text) => {
    const { port, openConnections } = await listening(quick)
    const answer = await answerTo(port, text)
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
    expect(answer).toMatch(/\r\ncontent-type: application\/problem\+json\r\n/i)
    expect(answer).toMatch(/\r\nx-request-id: \S+\r\n/i)
    expect(JSON.parse(answer.split('\r\n\r\n')[1] ?? '')).toMatchObject({ type: `/problems/${slug}`, status })
    await eventually(() => openConnections() === 0, 'the connection to be closed')
  })

  it('but a URL of 8,000 bytes is taken, and so are headers below 16 KiB', async () => {
    const { port } = await listening()
    const url = `/${'x'.repeat(7_999)}`
    const head = `GET ${url} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX: ${'x'.repeat(8_000)}\r\n\r\n`
    expect(await answerTo(port, head)).toMatch(/^HTTP\/1.1 404 /)
  })
})

describe('a client that is slow', () => {
  it.each([
    ['to send its headers', 'GET / HTTP/1.1\r\nHost: a\r\nX: ', 'x', 408],
    ['to send its body', `${headOfPost(10_000)}{`, ' ', 408],
    ['to send a body in chunks', `${headOfPost()}1\r\n{\r\n`, '1\r\n \r\n', 408],
  ])('%s holds nobody up, and loses its connection though it goes on', async (_, head, drop, status) => {
    const { port, openConnections } = await listening(quick)
    const clients = Array.from({ length: 20 }, () => slowClient(port, head, drop))
    await Promise.all(clients.map(({ connected }) => connected))
    for (let times = 0; times < 5; times++) expect(await answerTo(port, aGet)).toMatch(ok)
    for (const { answer } of clients) expect(await answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
    await eventually(() => openConnections() === 0, 'their connections to be closed')
  })

  it('to read its answers holds nobody up, and loses its connection', async () => {
    const large = new Hono<{ Variables: RouteVariables }>().get('/large', (c) => c.text('x'.repeat(1_000_000)))
    const { port, openConnections } = await listening({ idleTimeout: 500 }, withRoutes(large))
    const client = connectTo(port)
    client.pause()
    client.write('GET /large HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(20))
    await once(client, 'connect')
    expect(await answerTo(port, aGet)).toMatch(ok)
    await eventually(() => openConnections() === 0, 'its connection to be closed')
    expect(client.bytesRead).toBe(0)
  })

  it('to send anything loses its connection', async () => {
    const { port, openConnections } = await listening(quick)
    const client = connectTo(port)
    await once(client, 'connect')
    await eventually(() => openConnections() === 0, 'its connection to be closed')
  })

  it('is not one that waits for its answer', async () => {
    const slow = new Hono<{ Variables: RouteVariables }>().get('/slow', async (c) => {
      await sleep(450)
      return c.text('done')
    })
    const { url } = await listening({ ...quick, headersTimeout: 100, requestTimeout: 150 }, withRoutes(slow))
    expect(await (await fetch(`${url}/slow`)).text()).toBe('done')
  })
})

describe('as many connections as may be', () => {
  it('give way to a new one where they keep nobody waiting, those first that waited longest', async () => {
    const { url, port, openConnections } = await listening({ maxConnections: 10 })
    const closed: number[] = []
    const silent = Array.from({ length: 10 }, (_, index) =>
      connectTo(port)
        .on('end', () => closed.push(index))
        .resume(),
    )
    await Promise.all(silent.map((socket) => once(socket, 'connect')))
    silent[0]?.write('GET / HTTP/1.1\r\nHost: a\r\n')
    silent[1]?.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    if (silent[1]) await once(silent[1], 'data')
    silent[2]?.write(`${headOfPost(100)}{`)
    for (let times = 0; times < 4; times++) {
      expect(await answerTo(port, aGet)).toMatch(ok)
    }
    expect(openConnections()).toBeLessThanOrEqual(10)
    await eventually(() => closed.length > 0, 'one of them to be closed')
    expect(closed).toEqual([0])
    for (let times = 0; times < 15; times++) connectTo(port)
    expect((await fetch(url)).status).toBe(200)
    await eventually(() => closed.length === 10, 'all of them to be closed')
  })

  it('that are all being answered are kept, and the new one is refused with 503', async () => {
    let release = () => {}
    const released = new Promise<void>((resolve) => {
      release = resolve
    })
    let waiting = 0
    const slow = new Hono<{ Variables: RouteVariables }>().get('/slow', async (c) => {
      waiting++
      await released
      return c.text('done')
    })
    const { url, port } = await listening({ maxConnections: 3 }, withRoutes(slow))
    const held = Array.from({ length: 3 }, () => fetch(`${url}/slow`))
    await eventually(() => waiting === 3, 'all of them to be in use')
    const body = JSON.stringify(aUser())
    const refused = await answerTo(port, `${headOfPost(body.length)}${body}`)
    expect(refused).toMatch(/^HTTP\/1.1 503 /)
    expect(refused).toMatch(/\r\nretry-after: 1\r\n/i)
    expect(refused.split('HTTP/1.1')).toHaveLength(2)
    expect(JSON.parse(refused.split('\r\n\r\n')[1] ?? '')).toMatchObject({ type: '/problems/too-many-connections' })
    release()
    for (const answer of held) expect(await (await answer).text()).toBe('done')
    expect((await fetch(url)).status).toBe(200)
  })
})

async function listening(limits: Partial<ServerLimits> = {}, served = app) {
  const server = await listen(served, { host: '127.0.0.1', port: 0 }, limits)
  onTestFinished(() => server.close())
  const port = Number(new URL(server.url).port)
  return { url: server.url, port, openConnections: () => openConnections(port) }
}

/** Those that a process still holds, as Linux tells (proc(5), /proc/net/tcp): they have an inode. */
function openConnections(port: number): number {
  const local = `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`
  const LISTEN = '0A'
  const rows = readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
  return rows.filter((row) => row[1] === local && row[3] !== LISTEN && row[9] !== '0').length
}

const withRoutes = (routes: Hono<{ Variables: RouteVariables }>) =>
  appWith({ modules: [{ routes, problems: {}, links: {}, reference: [] }] })

function headOfPost(length?: number): string {
  const framing = length === undefined ? 'Transfer-Encoding: chunked' : `Content-Length: ${length}`
  return `POST /user/registration HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n${framing}\r\n\r\n`
}

/** Stays open on its side when the other one is closed. */
function connectTo(port: number): Socket {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true }).on('error', () => undefined)
  onTestFinished(() => void socket.destroy())
  return socket
}

/** Sends text and gives all that comes back until the server closes its side. */
async function answerTo(port: number, text: string): Promise<string> {
  const socket = connectTo(port)
  socket.write(text)
  return endOf(socket)
}

/** Sends drop after drop, whatever it is answered, until the connection is gone. Gives the answer. */
function slowClient(port: number, head: string, drop: string) {
  const socket = connectTo(port)
  socket.write(head)
  const dropping = setInterval(() => socket.write(drop), 20)
  socket.once('close', () => clearInterval(dropping))
  return { connected: once(socket, 'connect'), answer: endOf(socket) }
}

async function endOf(socket: Socket): Promise<string> {
  const chunks: Buffer[] = []
  socket.on('data', (chunk) => chunks.push(chunk))
  await Promise.race([once(socket, 'end'), once(socket, 'close')])
  return Buffer.concat(chunks).toString()
}
