import { Hono } from 'hono'
import { pino } from 'pino'
import { describe, expect, it } from 'vitest'
import type { RouteVariables } from '../../src/http/module.ts'
import { problemOf as factsOf } from '../../src/http/problem.ts'
import { aUser, healthy, problemOf, startService } from './service.ts'

const { app, appWith, get, post } = await startService()

describe('every response', () => {
  const requests: [string, () => Response | Promise<Response>][] = [
    ['200', () => get('/')],
    ['201', () => post(aUser())],
    ['204', () => app.request('/users', { method: 'OPTIONS' })],
    ['400', () => post('{')],
    ['404', () => get('/nothing')],
    ['405', () => app.request('/users', { method: 'DELETE' })],
    ['413', () => post(' '.repeat(20_000))],
    ['415', () => post('{}', { 'Content-Type': 'text/plain' })],
    ['422', () => get('/users?x')],
    ['health', () => get('/health/live')],
    ['a refused token', () => get('/users', { 'Consistency-Token': 'x' })],
  ]
  it.each(requests)('carries a request id: %s', async (_, request) => {
    expect((await request()).headers.get('X-Request-Id')).toMatch(/^[0-9a-f-]{36}$/)
  })

  it.each(['mine', '!~', 'a'.repeat(255)])('keeps the request id %j', async (id) => {
    for (const path of ['/', '/nothing', '/health/live', '/users?x']) {
      expect((await get(path, { 'X-Request-Id': id })).headers.get('X-Request-Id')).toBe(id)
    }
  })

  it.each(['', 'a b', 'a'.repeat(256), 'sch\u00f6n'])('has a new request id in place of %j', async (id) => {
    expect((await get('/', { 'X-Request-Id': id })).headers.get('X-Request-Id')).toMatch(/^[0-9a-f-]{36}$/)
  })
})

describe('a path', () => {
  it.each(['/nothing', '/users/', '/user', '/user/registration/x', '/health', '/problems/none'])(
    'that is unknown is answered with 404: %s',
    async (path) => {
      const response = await get(path)
      expect(response.status).toBe(404)
      expect(await problemOf(response)).toMatchObject({ type: '/problems/not-found', status: 404, instance: path })
    },
  )

  it.each([
    ['DELETE', '/users', 'GET, HEAD, OPTIONS'],
    ['POST', '/users/17', 'GET, HEAD, OPTIONS'],
    ['GET', '/user/registration', 'POST, OPTIONS'],
    ['PUT', '/', 'GET, HEAD, OPTIONS'],
    ['PATCH', '/health/live', 'GET, HEAD, OPTIONS'],
  ])('is answered with 405 where the method is wrong: %s %s', async (method, path, allow) => {
    const response = await app.request(path, { method })
    expect(response.status).toBe(405)
    expect(response.headers.get('Allow')).toBe(allow)
    expect(await problemOf(response)).toMatchObject({ type: '/problems/method-not-allowed', status: 405 })
  })

  it('has nothing to show to HEAD where it has nothing to GET', async () => {
    const response = await app.request('/user/registration', { method: 'HEAD' })
    expect(response.status).toBe(405)
    expect(response.headers.get('Allow')).toBe('POST, OPTIONS')
  })

  it.each([
    ['/users', 'GET, HEAD, OPTIONS'],
    ['/user/registration', 'POST, OPTIONS'],
  ])('tells its methods to OPTIONS: %s', async (path, allow) => {
    const response = await app.request(path, { method: 'OPTIONS' })
    expect(response.status).toBe(204)
    expect(response.headers.get('Allow')).toBe(allow)
    expect(await response.text()).toBe('')
    expect((await app.request('/nothing', { method: 'OPTIONS' })).status).toBe(404)
  })

  it('answers HEAD like GET, without a body', async () => {
    for (const path of ['/', '/users?limit=1', '/health/ready']) {
      const [head, got] = [await app.request(path, { method: 'HEAD' }), await get(path)]
      expect(head.status).toBe(200)
      expect(await head.text()).toBe('')
      expect(head.headers.get('Content-Type')).toBe(got.headers.get('Content-Type'))
    }
  })
})

describe('GET /', () => {
  it('links to everything there is', async () => {
    const response = await get('/')
    expect(response.headers.get('Content-Type')).toBe('application/hal+json')
    expect(await response.json()).toEqual({
      _links: {
        self: { href: '/' },
        users: { href: '/users{?limit,cursor,email,q}', templated: true },
        register: { href: '/user/registration' },
        'health-live': { href: '/health/live' },
        'health-ready': { href: '/health/ready' },
        'service-desc': { href: '/openapi.json' },
        'service-doc': { href: '/docs' },
      },
    })
  })
})

describe('the type of a problem', () => {
  it.each(['validation', 'event-store-unavailable', 'not-found'])('is a page: %s', async (slug) => {
    const response = await get(`/problems/${slug}`)
    expect(response.status).toBe(200)
    expect(await response.json()).toMatchObject({ type: `/problems/${slug}`, title: expect.any(String) })
  })
})

describe('GET /health', () => {
  it('says that the process is live, whatever it depends on', async () => {
    const response = await appWith({ health: () => ({ ...healthy, ready: false }) }).request('/health/live')
    expect(response.status).toBe(200)
  })

  it.each(['/health/live', '/health/ready', '/', '/problems/not-found'])('asks no token of %s', async (path) => {
    expect((await get(path, { 'Consistency-Token': 'x' })).status).toBe(200)
  })

  it('answers 200 with the report where the service is ready, else 503', async () => {
    for (const ready of [true, false]) {
      const response = await appWith({ health: () => ({ ...healthy, ready }) }).request('/health/ready')
      expect(response.status).toBe(ready ? 200 : 503)
      expect(await response.json()).toEqual({ ...healthy, ready })
    }
  })
})

describe('an error that no one has foreseen', () => {
  it('is answered with 500, tells nothing, and is logged with the request id', async () => {
    const lines: string[] = []
    const logger = pino({}, { write: (line) => lines.push(line) })
    const routes = new Hono<{ Variables: RouteVariables }>().get('/broken', () => {
      throw new Error('the password is hunter2')
    })
    const broken = appWith({ logger, modules: [{ routes, problems: {}, links: {}, reference: [] }] })
    const response = await broken.request('/broken', { headers: { 'X-Request-Id': 'mine' } })
    expect(response.status).toBe(500)
    expect(response.headers.get('X-Request-Id')).toBe('mine')
    expect(JSON.stringify(await problemOf(response))).not.toContain('hunter2')
    expect(lines).toHaveLength(1)
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({
      ...{ level: 50, requestId: 'mine', route: '/broken' },
      err: { message: 'the password is hunter2' },
    })
  })

  it('is answered with 503 where the read model is not ready', () => {
    const error = Object.assign(new Error('the log is being replayed'), { name: 'ReadModelNotReady' })
    expect(factsOf(error, {})).toMatchObject({ status: 503, details: { type: '/problems/read-model-not-ready' } })
  })
})
