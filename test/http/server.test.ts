import { once } from 'node:events'
import { Agent, request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http'
import { connect, type Socket } from 'node:net'
import { Hono } from 'hono'
import { afterAll, describe, expect, it } from 'vitest'
import type { RouteVariables } from '../../src/http/module.ts'
import { CannotListen, listen } from '../../src/http/server.ts'
import { aUser, startService } from './service.ts'

const { app, appWith } = await startService()
const server = await listen(app, { host: '127.0.0.1', port: 0 })
afterAll(() => server.close())

describe('a request over the network', () => {
  it('registers and shows a user', async () => {
    const created = await fetch(`${server.url}/user/registration`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(aUser()),
    })
    expect(created.status).toBe(201)
    const headers = { 'Consistency-Token': created.headers.get('Consistency-Token') ?? '' }
    const shown = await fetch(`${server.url}${created.headers.get('Location')}`, { headers })
    expect(await shown.text()).toBe(await created.text())
  })

  it('with HEAD gets the header fields of GET and no body', async () => {
    const answer = await exchange(server.url, 'HEAD /users?limit=1 HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n')
    expect(answer).toMatch(/^HTTP\/1.1 200 OK\r\n/)
    expect(answer).toMatch(/\r\netag: "/i)
    expect(answer.endsWith('\r\n\r\n')).toBe(true)
  })

  it('with the ETag of the last answer gets 304 without a body', async () => {
    const etag = (await fetch(`${server.url}/`)).headers.get('ETag')
    const answer = await exchange(
      server.url,
      `GET / HTTP/1.1\r\nHost: test\r\nIf-None-Match: ${etag}\r\nConnection: close\r\n\r\n`,
    )
    expect(answer).toMatch(/^HTTP\/1.1 304 Not Modified\r\n/)
    expect(answer.endsWith('\r\n\r\n')).toBe(true)
  })

  it.each(['declared', 'chunked'])(
    'with a body that is too large (%s) gets 413, and the connection goes on',
    async (how) => {
      const agent = new Agent({ keepAlive: true, maxSockets: 1 })
      const body = JSON.stringify({ ...aUser(), padding: 'x'.repeat(200_000) })
      const headers = {
        'Content-Type': 'application/json',
        ...(how === 'declared' ? { 'Content-Length': body.length } : { 'Transfer-Encoding': 'chunked' }),
      }
      const refused = await send({ agent, method: 'POST', path: '/user/registration', headers }, body)
      expect(refused.message.statusCode).toBe(413)
      expect(refused.message.headers['x-request-id']).toBeDefined()
      expect(JSON.parse(refused.body)).toMatchObject({ type: '/problems/content-too-large' })
      for (let repeat = 0; repeat < 3; repeat++) {
        expect((await send({ agent, path: '/' })).message.statusCode).toBe(200)
      }
      agent.destroy()
    },
  )

  it('with a chunked body is read like one of declared length', async () => {
    const headers = { 'Content-Type': 'application/json', 'Transfer-Encoding': 'chunked' }
    const { message } = await send({ method: 'POST', path: '/user/registration', headers }, JSON.stringify(aUser()))
    expect(message.statusCode).toBe(201)
  })

  it.each([
    ['no host', 'GET / HTTP/1.1\r\n\r\n', 400],
    ['a bad host', 'GET / HTTP/1.1\r\nHost: a b\r\n\r\n', 400],
    ['no HTTP', 'EHLO example.com\r\n\r\n', 400],
    ['huge header fields', `GET / HTTP/1.1\r\nHost: test\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`, 431],
  ])('with %s is refused with a problem and a request id', async (_, text, status) => {
    const answer = await exchange(server.url, text)
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
    expect(answer).toMatch(/\r\nx-request-id: [0-9a-f-]{36}\r\n/i)
    expect(answer).toMatch(/\r\ncontent-type: application\/problem\+json\r\n/i)
  })

  it.each([
    ['two hosts', 'GET /here?a HTTP/1.1\r\nHost: test\r\nHost: test\r\nX-Request-Id: mine\r\n\r\n', 400],
    ['no host', 'GET /here?a HTTP/1.1\r\nX-Request-Id: mine\r\n\r\n', 400],
    ['a bad host', 'GET /here?a HTTP/1.1\r\nHost: a b\r\nX-Request-Id: mine\r\n\r\n', 400],
    ['an unknown expectation', 'GET /here HTTP/1.1\r\nHost: test\r\nExpect: x\r\nX-Request-Id: mine\r\n\r\n', 417],
    ['CONNECT', 'CONNECT /here HTTP/1.1\r\nHost: test\r\nX-Request-Id: mine\r\n\r\n', 501],
  ])('with %s is refused with a problem of its own path, under its own request id', async (_, text, status) => {
    const answer = await exchange(server.url, text)
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
    expect(answer).toMatch(/\r\nx-request-id: mine\r\n/i)
    expect(JSON.parse(answer.split('\r\n\r\n')[1] ?? '')).toMatchObject({ status, instance: '/here' })
  })

  it.each([
    ['a malformed field', 'GET /here?a HTTP/1.1\r\nHost: test\r\nb c\r\n\r\n', 400],
    ['huge header fields', `GET /here?a HTTP/1.1\r\nHost: test\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`, 431],
  ])('with %s is refused with a problem of its own path', async (_, text, status) => {
    const answer = await exchange(server.url, text)
    expect(JSON.parse(answer.split('\r\n\r\n')[1] ?? '')).toMatchObject({ status, instance: '/here' })
  })

  it('with another transfer coding than chunked is refused', async () => {
    const headers = { 'Content-Type': 'application/json', 'Transfer-Encoding': 'gzip, chunked' }
    const { message } = await send({ method: 'POST', path: '/user/registration', headers }, JSON.stringify(aUser()))
    expect(message.statusCode).toBe(501)
  })

  it('whose client has ended its side is answered all the same', async () => {
    const body = JSON.stringify(aUser())
    const head = `Host: test\r\nContent-Type: application/json\r\nContent-Length: ${body.length}`
    const answer = await exchange(server.url, `POST /user/registration HTTP/1.1\r\n${head}\r\n\r\n${body}`)
    expect(answer).toMatch(/^HTTP\/1.1 201 /)
  })

  it('that its client gave up no longer waits for the read model', async () => {
    const { promise: waiting, resolve: waits } = deferred<AbortSignal>()
    const readModel = {
      reached: (_: number, __: number, signal?: AbortSignal) =>
        new Promise<boolean>((resolve) => {
          if (!signal) return
          signal.addEventListener('abort', () => resolve(false))
          waits(signal)
        }),
    }
    const own = await listen(appWith({ readModel }), { host: '127.0.0.1', port: 0 })
    const client = new AbortController()
    const answer = fetch(`${own.url}/users`, { headers: { 'Consistency-Token': '1' }, signal: client.signal })
    const signal = await waiting
    const aborted = once(signal, 'abort')
    client.abort()
    await expect(answer).rejects.toThrow()
    await aborted
    await own.close()
  })
})

describe('listening', () => {
  it('fails with the address where the port is in use', async () => {
    const port = Number(new URL(server.url).port)
    const listening = listen(app, { host: '127.0.0.1', port })
    await expect(listening).rejects.toThrow(CannotListen)
    await expect(listening).rejects.toMatchObject({ host: '127.0.0.1', port, code: 'EADDRINUSE' })
  })

  it('fails with the code of an address that is not to be had', async () => {
    const listening = listen(app, { host: '192.0.2.1', port: 0 })
    await expect(listening).rejects.toMatchObject({ name: 'CannotListen', host: '192.0.2.1', code: 'EADDRNOTAVAIL' })
  })

  it('is possible on IPv6', async () => {
    const own = await listen(app, { host: '::1', port: 0 })
    expect(own.url).toMatch(/^http:\/\/\[::1\]:\d+$/)
    expect((await fetch(own.url)).status).toBe(200)
    await own.close()
  })
})

describe('closing', () => {
  it('answers what was accepted, closes idle connections, and accepts no more', async () => {
    const { promise: released, resolve: release } = deferred<void>()
    const { promise: accepted, resolve: accept } = deferred<void>()
    const routes = new Hono<{ Variables: RouteVariables }>().get('/slow', async (c) => {
      accept()
      await released
      return c.text('done')
    })
    const own = await listen(appWith({ modules: [{ routes, problems: {}, links: {}, reference: [] }] }), {
      host: '127.0.0.1',
      port: 0,
    })
    const agent = new Agent({ keepAlive: true })
    const idle = await socketTo(own.url)
    const slow = send({ agent, path: '/slow' }, undefined, own.url)
    await accepted

    const closed = own.close()
    await once(idle, 'close')
    await expect(fetch(own.url)).rejects.toThrow()
    release()
    const { message, body } = await slow
    expect(body).toBe('done')
    expect(message.headers.connection).toBe('close')
    await closed
    agent.destroy()
  })

  it('does not wait for connections on which nothing has come', async () => {
    const own = await listen(app, { host: '127.0.0.1', port: 0 })
    const unused = connect(Number(new URL(own.url).port), '127.0.0.1')
    await once(unused, 'connect')
    // So that the server knows of it.
    const used = await socketTo(own.url)
    used.destroy()
    const start = performance.now()
    await own.close()
    expect(performance.now() - start).toBeLessThan(5_000)
  })

  it('answers what is on its way over an open connection, as the last on it', async () => {
    const own = await listen(app, { host: '127.0.0.1', port: 0 })
    const open = await socketTo(own.url)
    const closed = own.close()
    await expect(fetch(own.url)).rejects.toThrow()
    open.write('GET / HTTP/1.1\r\nHost: test\r\n\r\n')
    const [answer] = await once(open, 'data')
    expect(String(answer)).toMatch(/^HTTP\/1.1 200 OK\r\n[\s\S]*\r\nconnection: close\r\n/i)
    await closed
  })
})

function deferred<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => {}
  const promise = new Promise<T>((given) => {
    resolve = given
  })
  return { promise, resolve }
}

/** An answer with its body, over node:http: fetch hides connections. */
async function send(options: RequestOptions, body?: string, url = server.url) {
  const request = httpRequest(url, options)
  request.end(body)
  const [message]: IncomingMessage[] = await once(request, 'response')
  if (!message) throw new Error('no response')
  const chunks: Buffer[] = []
  for await (const chunk of message) chunks.push(chunk)
  return { message, body: Buffer.concat(chunks).toString() }
}

/** A connection that has had one answer. */
async function socketTo(url: string): Promise<Socket> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  socket.write('GET / HTTP/1.1\r\nHost: test\r\n\r\n')
  await once(socket, 'data')
  socket.resume()
  return socket
}

/** Sends raw text and gives all that comes back until the connection is closed. */
async function exchange(url: string, text: string): Promise<string> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  socket.end(text)
  const chunks: Buffer[] = []
  for await (const chunk of socket) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}
