import { randomUUID } from 'node:crypto'
import { beforeAll, describe, expect, it } from 'vitest'
import { aUser, pageOf, problemOf, startService, userOf } from './service.ts'

const { get, post, appWith } = await startService()

/** Seven users whose names no other test's users have. */
const family = `Family ${randomUUID()}`
const emails: string[] = []
const ids: string[] = []
let token = ''
beforeAll(async () => {
  for (let child = 1; child <= 7; child++) {
    const sent = aUser(`Child ${child} of the ${family}`)
    const response = await post(sent)
    emails.unshift(sent.email)
    ids.unshift((await userOf(response)).id)
    token = response.headers.get('Consistency-Token') ?? ''
  }
})
const ask = (path: string, headers: Record<string, string> = {}) =>
  get(path, { 'Consistency-Token': token, ...headers })

describe('GET /users', () => {
  it('lists users, newest first, with their number on the page and in all', async () => {
    const response = await ask('/users?limit=200')
    expect(response.status).toBe(200)
    expect(response.headers.get('Content-Type')).toBe('application/hal+json')
    expect(Number(response.headers.get('Consistency-Token'))).toBeGreaterThanOrEqual(Number(token))
    const { _embedded, count, total, _links } = await pageOf(response)
    const shown = _embedded.users.map(({ id }) => id)
    expect(shown.filter((id) => ids.includes(id))).toEqual(ids.filter((id) => shown.includes(id)))
    expect(count).toBe(shown.length)
    expect(total).toBeGreaterThanOrEqual(7)
    expect(_links.self.href).toBe('/users?limit=200')
    expect(_links.find).toEqual({ href: '/users{?limit,cursor,email,q}', templated: true })
  })

  it('has 50 users on a page unless another limit is given', async () => {
    const { count, total } = await pageOf(await ask('/users'))
    expect(count).toBe(Math.min(50, total))
  })

  it('can be walked to its end and back, keeping limit and q', async () => {
    const first = `/users?limit=3&q=${encodeURIComponent(family.toLowerCase())}`
    const walk = async (from: string, relation: 'next' | 'prev') => {
      const pages: string[][] = []
      let last = from
      for (let href: string | undefined = from; href !== undefined; ) {
        const { _embedded, _links } = await pageOf(await ask(href))
        expect(_links.self.href).toBe(href)
        expect(_links.first.href).toBe(first)
        pages.push(_embedded.users.map(({ id }) => id))
        last = href
        href = _links[relation]?.href
      }
      return { pages, last }
    }
    const there = await walk(first, 'next')
    expect(there.pages).toEqual([ids.slice(0, 3), ids.slice(3, 6), ids.slice(6)])
    const back = await walk(there.last, 'prev')
    expect(back.pages).toEqual([ids.slice(6), ids.slice(3, 6), ids.slice(0, 3)])
  })

  it('shows a new user at once to who has its token, though the page was asked for before', async () => {
    const path = `/users?q=${family.slice(-12)}`
    const before = await pageOf(await ask(path))
    const newcomer = await post(aUser(`Late ${family}`))
    const after = await pageOf(
      await get(path, { 'Consistency-Token': newcomer.headers.get('Consistency-Token') ?? '' }),
    )
    expect(after.count).toBe(before.count + 1)
    expect(after.total).toBeGreaterThan(before.total)
  })

  it('finds the one user with an email, in any spelling', async () => {
    const email = (emails[0] ?? '').toUpperCase()
    const { _embedded, count, total, _links } = await pageOf(await ask(`/users?email=${email}`))
    expect(_embedded.users).toMatchObject([{ id: ids[0], email: emails[0] }])
    expect(count).toBe(1)
    expect(total).toBeGreaterThanOrEqual(7)
    expect(_links.self.href).toBe(`/users?email=${encodeURIComponent(email)}`)
    expect(await pageOf(await ask('/users?email=nobody@example.com'))).toMatchObject({ count: 0 })
  })

  it.each([
    ['limit=0', 'limit', 'from 1 to 200'],
    ['limit=201', 'limit', 'from 1 to 200'],
    ['limit=', 'limit', 'from 1 to 200'],
    ['limit=1e2', 'limit', 'from 1 to 200'],
    ['limit=-1', 'limit', 'from 1 to 200'],
    ['limit=1&limit=2', 'limit', 'must not be repeated'],
    ['offset=3', 'offset', 'is unknown'],
    ['LIMIT=3', 'LIMIT', 'is unknown'],
    ['cursor=', 'cursor', 'next or prev link'],
    ['cursor=YjE5', 'cursor', 'next or prev link'],
    ['q=ab', 'q', '3 to 100 characters'],
    ['q=', 'q', '3 to 100 characters'],
    [`q=${encodeURIComponent('e\u0301e\u0301')}`, 'q', '3 to 100 characters'],
    [`q=${'a'.repeat(101)}`, 'q', '3 to 100 characters'],
    ['q=abc%00', 'q', 'control characters'],
    ['q=%ff%fe%fd', 'q', 'percent-encoded UTF-8'],
    ['email=ada', 'email', 'must contain an @'],
    ['email=ada@example.com&q=abc', 'email', 'must not be combined'],
  ])('answers 422 to ?%s', async (query, parameter, detail) => {
    const response = await get(`/users?${query}`)
    expect(response.status).toBe(422)
    expect(await problemOf(response)).toMatchObject({
      type: '/problems/validation',
      errors: [{ parameter, detail: expect.stringContaining(detail) }],
    })
  })

  it('names every parameter that is wrong', async () => {
    const { errors } = await problemOf(await get('/users?limit=x&q=a&page=2'))
    expect(errors?.map(({ parameter }) => parameter)).toEqual(['page', 'limit', 'q'])
  })

  it('answers 422 to a cursor in which anything was changed', async () => {
    const { _links } = await pageOf(await ask('/users?limit=1'))
    const cursor = /cursor=([^&]+)/.exec(_links.next?.href ?? '')?.[1] ?? ''
    for (let at = 0; at < cursor.length; at++) {
      const tampered = `${cursor.slice(0, at)}${cursor[at] === 'A' ? 'B' : 'A'}${cursor.slice(at + 1)}`
      expect((await get(`/users?cursor=${tampered}`)).status).toBe(422)
    }
    expect((await get(`/users?cursor=${cursor}A`)).status).toBe(422)
    expect((await get(`/users?cursor=${cursor}`)).status).toBe(200)
  })

  it.each(['abc', 'a b', 'a%20b', '%F0%9F%91%A9%E2%80%8D%F0%9F%9A%80%20%3F'])('takes q=%s', async (q) => {
    expect((await get(`/users?q=${q}`)).status).toBe(200)
  })
})

describe('GET /users/:id', () => {
  it('shows the user', async () => {
    const response = await ask(`/users/${ids[0]}`)
    expect(await userOf(response)).toMatchObject({
      ...{ id: ids[0], email: emails[0], name: `Child 7 of the ${family}` },
      _links: { self: { href: `/users/${ids[0]}` }, users: { href: '/users' } },
    })
  })

  it.each(['01HNZX8JGFACFA36RBXDHEQN6E', '17', '%ff', 'a%2Fb'])('answers 404 where there is no %s', async (id) => {
    const response = await get(`/users/${id}`)
    expect(response.status).toBe(404)
    expect(await problemOf(response)).toMatchObject({ type: '/problems/user-not-found' })
  })
})

describe.each(['/users?limit=2', `/users/:id`])('the ETag of GET %s', (template) => {
  const path = () => template.replace(':id', ids[0] ?? '')

  it('answers 304 without a body to who has it already', async () => {
    const first = await ask(path())
    const etag = first.headers.get('ETag') ?? ''
    expect(etag).toMatch(/^"[^"]+"$/)
    for (const known of [etag, `W/${etag}`, `"other", ${etag}`, '*', `"a,b",W/${etag}`]) {
      const response = await ask(path(), { 'If-None-Match': known })
      if (response.headers.get('ETag') !== etag && known !== '*') continue
      expect(response.status).toBe(304)
      expect(await response.text()).toBe('')
      expect(response.headers.get('Consistency-Token')).toMatch(/^\d+$/)
      expect(response.headers.get('X-Request-Id')).not.toBeNull()
    }
  })

  it('answers 200 to who has another one', async () => {
    expect((await ask(path(), { 'If-None-Match': '"other"' })).status).toBe(200)
  })

  it('is not looked for in a malformed If-None-Match', async () => {
    const etag = (await ask(path())).headers.get('ETag')
    for (const malformed of [`x ${etag}`, `${etag} "other"`, `${etag}, *`, `w/${etag}`, `"a${etag}`]) {
      expect((await ask(path(), { 'If-None-Match': malformed })).status).toBe(200)
    }
  })
})

describe('the Consistency-Token of a query', () => {
  it.each(['', 'x', '-1', '1.5', '01', '99999999999999999', '1,2'])('that is %j is answered with 400', async (bad) => {
    const response = await get('/users', { 'Consistency-Token': bad })
    expect(response.status).toBe(400)
    expect(await problemOf(response)).toMatchObject({ type: '/problems/malformed-consistency-token' })
  })

  it('that is not reached within the preferred time is answered with 503', async () => {
    const future = { 'Consistency-Token': String(Number.MAX_SAFE_INTEGER), Prefer: 'wait=0' }
    for (const path of ['/users', `/users/${ids[0]}`]) {
      const response = await get(path, future)
      expect(response.status).toBe(503)
      expect(response.headers.get('Preference-Applied')).toBe('wait=0')
      expect(Number(response.headers.get('Retry-After'))).toBeGreaterThan(0)
      expect(await problemOf(response)).toMatchObject({ type: '/problems/read-model-behind' })
    }
  })

  it.each([
    [undefined, 5, null],
    ['wait=2', 2, 'wait=2'],
    ['WAIT = "7"', 7, 'wait=7'],
    ['respond-async, wait=3; foo', 3, 'wait=3'],
    ['x="wait=1, wait=4", wait=9', 9, 'wait=9'],
    ['wait=8, wait=9', 8, 'wait=8'],
    ['wait=3600', 30, 'wait=30'],
    ['wait=soon', 5, null],
    ['wait', 5, null],
    ['await=3', 5, null],
  ])('waits with Prefer: %s for %i seconds at most', async (prefer, seconds, applied) => {
    const waits: number[] = []
    // The clock is what is asked about, so the wait is watched instead of being waited for.
    const readModel = { reached: async (_: number, timeout: number) => waits.push(timeout) > 0 }
    const headers = { 'Consistency-Token': '1', ...(prefer !== undefined && { Prefer: prefer }) }
    const response = await appWith({ readModel }).request('/users?limit=1', { headers })
    expect(response.status).toBe(200)
    expect(waits).toEqual([seconds * 1000])
    expect(response.headers.get('Preference-Applied')).toBe(applied)
  })

  it('is not waited for where there is nothing to query', async () => {
    const future = { 'Consistency-Token': String(Number.MAX_SAFE_INTEGER), Prefer: 'wait=30' }
    expect((await get('/nothing', future)).status).toBe(404)
  })
})
