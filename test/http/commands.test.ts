import { describe, expect, it } from 'vitest'
import { StoreUnavailable } from '../../src/cqrs/event-store.ts'
import { aUser, problemOf, startService, userOf } from './service.ts'

const { app, appWith, post, get } = await startService()

describe('POST /user/registration', () => {
  it('answers 201 with the user, its location and a consistency token', async () => {
    const sent = aUser(' Ada ')
    const response = await post(sent)
    expect(response.status).toBe(201)
    expect(response.headers.get('Content-Type')).toBe('application/hal+json')
    const user = await userOf(response)
    expect(user).toMatchObject({ name: 'Ada', email: sent.email })
    expect(user._links).toEqual({ self: { href: `/users/${user.id}` }, users: { href: '/users' } })
    expect(response.headers.get('Location')).toBe(`/users/${user.id}`)
    expect(response.headers.get('Consistency-Token')).toMatch(/^\d+$/)
    expect(response.headers.has('Idempotency-Replayed')).toBe(false)
    expect(Math.abs(Date.now() - Date.parse(user.created_at))).toBeLessThan(60_000)
  })

  it('shows the same user to who follows the location with the token', async () => {
    const created = await post(aUser())
    const token = created.headers.get('Consistency-Token') ?? ''
    const shown = await get(created.headers.get('Location') ?? '', { 'Consistency-Token': token })
    expect(shown.status).toBe(200)
    expect(await shown.text()).toBe(await created.text())
    expect(Number(shown.headers.get('Consistency-Token'))).toBeGreaterThanOrEqual(Number(token))
  })

  it('answers the same again to the same Idempotency-Key and body, however the JSON is written', async () => {
    const { username, email } = aUser()
    const key = { 'Idempotency-Key': 'mine' }
    const first = await post({ username, email }, key)
    const again = await post(
      ` {"email" : ${JSON.stringify(email)},\n "username":"\\u0041da Lovelace", "extra": 1}`,
      key,
    )
    expect(again.status).toBe(201)
    expect(again.headers.get('Idempotency-Replayed')).toBe('true')
    expect(again.headers.get('Location')).toBe(first.headers.get('Location'))
    expect(again.headers.get('Consistency-Token')).toBe(first.headers.get('Consistency-Token'))
    expect(await again.text()).toBe(await first.text())
  })

  it('answers 422 to the same Idempotency-Key and email with another body', async () => {
    const sent = aUser()
    await post(sent, { 'Idempotency-Key': 'mine' })
    const response = await post({ ...sent, username: 'Bob' }, { 'Idempotency-Key': 'mine' })
    expect(response.status).toBe(422)
    expect(await problemOf(response)).toMatchObject({ type: '/problems/idempotency-key-reused', status: 422 })
  })

  it('takes one Idempotency-Key for two emails', async () => {
    for (const sent of [aUser(), aUser()]) {
      expect((await post(sent, { 'Idempotency-Key': 'shared' })).status).toBe(201)
    }
  })

  it('answers 409 where the email is registered in any spelling, without saying whose it is', async () => {
    const sent = aUser('Ada the First')
    const first = await userOf(await post(sent))
    const response = await post({ username: 'Bob', email: ` ${sent.email.toUpperCase()}` })
    expect(response.status).toBe(409)
    const problem = await problemOf(response)
    expect(problem.type).toBe('/problems/email-already-registered')
    expect(JSON.stringify(problem)).not.toContain(first.id)
    expect(JSON.stringify(problem)).not.toContain('First')
  })

  it.each(['{', '', 'nonsense', '{"username":"Ada",}'])('answers 400 to the malformed JSON %j', async (body) => {
    const response = await post(body)
    expect(response.status).toBe(400)
    expect(await problemOf(response)).toMatchObject({ type: '/problems/malformed-json' })
  })

  it('answers 400 to JSON that is not UTF-8', async () => {
    const body = Buffer.from('{"username":"Jos\u00e9","email":"jose@example.com"}', 'latin1')
    const headers = { 'Content-Type': 'application/json', 'Content-Length': String(body.length) }
    const response = await app.request('/user/registration', { method: 'POST', headers, body })
    expect(response.status).toBe(400)
    expect(await problemOf(response)).toMatchObject({ detail: 'The body must be valid JSON: it is not UTF-8.' })
  })

  it.each([
    'text/plain',
    'application/x-www-form-urlencoded',
    'application/jsonp',
    'text/json',
    'application/hal+json',
    'application/json; charset=utf-16',
    'application/json;v=1; Charset = "latin1"',
  ])('answers 415 to %s', async (type) => {
    const response = await post(aUser(), { 'Content-Type': type })
    expect(response.status).toBe(415)
    expect(response.headers.get('Accept')).toBe('application/json')
    expect(await problemOf(response)).toMatchObject({ type: '/problems/unsupported-media-type' })
  })

  it('answers 415 to a compressed body', async () => {
    expect((await post(aUser(), { 'Content-Encoding': 'gzip' })).status).toBe(415)
  })

  it.each(['application/json; charset=utf-8', 'Application/JSON', 'application/json;charset="UTF-8"'])(
    'takes %s',
    async (type) => {
      expect((await post(aUser(), { 'Content-Type': type })).status).toBe(201)
    },
  )

  it('answers 422 with every field that fails, and what is wrong with it', async () => {
    const response = await post({ username: ' ', email: 'ada' }, { 'Idempotency-Key': 'a b' })
    expect(response.status).toBe(422)
    expect(await problemOf(response)).toEqual({
      type: '/problems/validation',
      title: 'Validation failed',
      status: 422,
      detail: 'The request is not valid: see errors.',
      instance: '/user/registration',
      errors: [
        { pointer: '/username', detail: 'must not be empty' },
        { pointer: '/email', detail: 'must contain an @, as in ada@example.com' },
        { header: 'Idempotency-Key', detail: 'must be 1 to 255 visible ASCII characters' },
      ],
    })
  })

  it.each([
    [{}, ['/username', '/email'], 'is required'],
    [{ username: 1, email: null }, ['/username', '/email'], 'must be a string'],
    [[], [''], 'must be a JSON object'],
    ['null', [''], 'must be a JSON object'],
    ['"text"', [''], 'must be a JSON object'],
  ])('answers 422 to %j', async (body, pointers, detail) => {
    const { errors } = await problemOf(await post(body))
    expect(errors).toEqual(pointers.map((pointer) => ({ pointer, detail })))
  })

  it.each(['', 'a'.repeat(256), 'sch\u00f6n'])('answers 422 to the Idempotency-Key %j', async (key) => {
    const response = await post(aUser(), { 'Idempotency-Key': key })
    expect(await problemOf(response)).toMatchObject({ status: 422, errors: [{ header: 'Idempotency-Key' }] })
  })

  it('takes an Idempotency-Key of 255 characters', async () => {
    expect((await post(aUser(), { 'Idempotency-Key': '~'.repeat(255) })).status).toBe(201)
  })

  it('answers 413 to more than 16 KiB', async () => {
    const sent = JSON.stringify(aUser())
    const ofLength = (length: number) => `${sent}${' '.repeat(length - sent.length)}`
    expect((await post(ofLength(16_384))).status).toBe(201)
    const response = await post(ofLength(16_385))
    expect(response.status).toBe(413)
    expect(await problemOf(response)).toMatchObject({ type: '/problems/content-too-large' })
  })

  it.each(['unknown', 'not-appended'] as const)(
    'answers 503 where the event store is away and the outcome is %s',
    async (outcome) => {
      // A store that is really away takes its whole deadline to say so; only its answer matters here.
      const away = (): never => {
        throw new StoreUnavailable('no route to host', outcome)
      }
      const response = await appWith({ events: { append: away, read: away } }).request('/user/registration', {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify(aUser()),
      })
      expect(response.status).toBe(503)
      expect(Number(response.headers.get('Retry-After'))).toBeGreaterThan(0)
      expect(await problemOf(response)).toMatchObject({
        type: '/problems/event-store-unavailable',
        outcome,
        detail: expect.stringMatching(/outcome of a command may be unknown.*same Idempotency-Key.*safe/),
      })
    },
  )
})
