import { request } from 'node:http'
import { describe, expect, it } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { startInspected } from './service.ts'

const local = await startInspected()
const open = await startInspected({ INSPECTOR: 'on' })
const off = await startInspected({ INSPECTOR: 'off' })
const everywhere = await startInspected({ HOST: '0.0.0.0' })

/** Not fetch, which does not let one set Host or Sec-Fetch-Site. */
function answer(
  url: string,
  headers: Record<string, string> = {},
  body?: string,
): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const form = body === undefined ? {} : { 'Content-Type': 'application/x-www-form-urlencoded' }
    const sent = request(url, { method: body === undefined ? 'GET' : 'POST', headers: { ...form, ...headers } })
    sent.on('error', reject).on('response', (response) => {
      let text = ''
      response.on('data', (chunk) => {
        text += chunk
      })
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }))
    })
    sent.end(body)
  })
}

const portOf = (url: string) => new URL(url).port

describe('who is served', () => {
  it.each(['localhost', '127.0.0.1', '127.8.7.6', '[::1]', 'LOCALHOST'])('who asks for %s is', async (name) => {
    expect((await answer(`${local.url}/inspector`, { Host: `${name}:${portOf(local.url)}` })).status).toBe(200)
  })

  it.each([
    'example.com',
    'localhost.example.com',
    '127.0.0.1.example.com',
    'notlocalhost',
    '10.0.0.1',
    '[::2]',
    '127',
  ])('who asks for %s is not, even on loopback', async (name) => {
    for (const path of ['', '/stream?name=x', '/all', '/all/live', '/read-model', '/groups', '/style.css']) {
      const { status, text } = await answer(`${local.url}/inspector${path}`, { Host: name })
      expect(status, path).toBe(403)
      expect(text).toContain('/problems/inspector-forbidden')
    }
    expect((await answer(`${open.url}/inspector`, { Host: name })).status).toBe(200)
  })

  it.each(['X-Forwarded-For', 'Forwarded', 'Via'])('a proxy that says so with %s is not', async (header) => {
    expect((await answer(`${local.url}/inspector`, { [header]: 'x' })).status).toBe(403)
    expect((await answer(`${open.url}/inspector`, { [header]: 'x' })).status).toBe(200)
  })

  it('is nobody where it is off, or where the service listens to more than this machine', async () => {
    for (const { url } of [off, everywhere]) {
      const here = url.replace('0.0.0.0', '127.0.0.1')
      expect((await answer(`${here}/inspector`)).status).toBe(404)
      expect((await answer(`${here}/`)).text).not.toContain('inspector')
    }
  })

  it('pages of other sites cannot keep a place in the live view', async () => {
    const headers = { 'Sec-Fetch-Site': 'cross-site', 'Sec-Fetch-Mode': 'cors' }
    expect((await answer(`${local.url}/inspector/all/live`, headers)).status).toBe(403)
  })
})

describe('the replay of parked events', async () => {
  const replay = `${local.url}/inspector/read-model/replay`
  const host = new URL(local.url).host
  // There must be something to replay, for there to be a form.
  await local.client.appendToStream(`user-${crypto.randomUUID()}@example.com`, [
    { id: crypto.randomUUID(), contentType: 'application/json', type: 'UserRegistered', data: {}, metadata: {} },
  ])
  let token = ''
  await eventually(async () => {
    const { text } = await answer(`${local.url}/inspector/read-model`)
    token = /name="token" value="([^"]+)"/.exec(text)?.[1] ?? ''
    return token !== ''
  }, 'an event to be parked')
  const own = { Origin: local.url, 'Sec-Fetch-Site': 'same-origin' }

  it('is for the form of this process', async () => {
    expect((await answer(replay, own, `token=${token}`)).status).toBe(303)
  })

  it.each<[string, Record<string, string>, () => string]>([
    ['no token', own, () => ''],
    ['another token', own, () => `token=${token.slice(0, -1)}-`],
    ['the token of another process', own, () => `token=${'A'.repeat(43)}`],
    ['another origin', { Origin: `http://evil.example:${portOf(local.url)}` }, () => `token=${token}`],
    ['another port of this machine', { Origin: 'http://127.0.0.1:1' }, () => `token=${token}`],
    ['no origin that may be told', { Origin: 'null' }, () => `token=${token}`],
    ['another site', { 'Sec-Fetch-Site': 'cross-site' }, () => `token=${token}`],
    ['another host of the site', { 'Sec-Fetch-Site': 'same-site' }, () => `token=${token}`],
    ['no site, typed by hand', { 'Sec-Fetch-Site': 'none' }, () => `token=${token}`],
    [
      'a name that is made to point here',
      { Host: 'evil.example', Origin: 'http://evil.example' },
      () => `token=${token}`,
    ],
    ['a large body', own, () => `token=${token}&x=${'x'.repeat(5_000)}`],
  ])('is refused with %s', async (_, headers, body) => {
    const { status, text } = await answer(replay, { Host: host, ...headers }, body())
    expect(status).toBe(403)
    expect(text).toContain('/problems/inspector-forbidden')
  })

  it('cannot be asked for with GET', async () => {
    expect((await answer(replay)).status).toBe(405)
  })
})
