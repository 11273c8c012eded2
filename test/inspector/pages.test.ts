import { randomUUID } from 'node:crypto'
import { binaryEvent, jsonEvent } from '@eventstore/db-client'
import { ulid } from 'ulid'
import { describe, expect, it } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { registrationOf, removeUser, startInspected } from './service.ts'

const { url, client, dataDir } = await startInspected()

const page = async (path: string) => {
  const response = await fetch(url + path)
  return { status: response.status, headers: response.headers, text: await response.text() }
}
const pageOf = (name: string, more = '') => page(`/inspector/stream?name=${encodeURIComponent(name)}${more}`)
const links = (text: string) =>
  [...text.matchAll(/href="([^"]*)"/g)].map(([, href]) => href?.replaceAll('&amp;', '&') ?? '')
const numbers = (text: string) => [...text.matchAll(/<h2><a class="number"[^>]*>(\w+)</g)].map(([, number]) => number)
const events = (count: number) => Array.from({ length: count }, () => jsonEvent({ type: 'Counted', data: {} }))
const aStream = () => `inspected-${randomUUID()}`
const follow = async (text: string, label: string) => {
  const [, href] = new RegExp(`href="([^"]*)"[^>]*>${label}<`).exec(text) ?? []
  if (href === undefined) throw new Error(`there is no link ${label}`)
  return page(href.replaceAll('&amp;', '&'))
}

describe('the list of streams', () => {
  it('has what was changed last, and leaves system streams out', async () => {
    const stream = aStream()
    await client.appendToStream(stream, events(3))
    const { text, headers } = await page('/inspector')
    expect(links(text)).toContain(`/inspector/stream?name=${stream}`)
    expect(links(text).filter((href) => href.startsWith('/inspector/stream?name=%24'))).toEqual([])
    expect(headers.get('Content-Security-Policy')).toMatch(/^default-src 'none'; script-src 'self'; style-src 'self';/)
    expect(headers.get('Cache-Control')).toBe('no-store')
  })

  it('is searched by a part of the name, whatever its case', async () => {
    const part = randomUUID()
    await client.appendToStream(`inspected-${part}-one`, events(1))
    await client.appendToStream(`other-${part}-two`, events(1))
    const { text } = await page(`/inspector?q=${part.toUpperCase()}`)
    expect(links(text)).toEqual(
      expect.arrayContaining([
        `/inspector/stream?name=other-${part}-two`,
        `/inspector/stream?name=inspected-${part}-one`,
      ]),
    )
    expect((await page(`/inspector?q=${randomUUID()}`)).text).toContain('None has this in its name.')
  })
})

describe('the page of a stream', () => {
  it('has the newest events first, and leads to the others and back', async () => {
    const stream = aStream()
    await client.appendToStream(stream, events(45))
    const first = await pageOf(stream)
    expect(numbers(first.text)).toEqual(Array.from({ length: 20 }, (_, index) => String(45 - index)))
    const second = await follow(first.text, 'Older')
    expect(numbers(second.text)).toEqual(Array.from({ length: 20 }, (_, index) => String(25 - index)))
    const last = await follow(second.text, 'Older')
    expect(numbers(last.text)).toEqual(['5', '4', '3', '2', '1'])
    expect(last.text).not.toMatch(/href="[^"]*"[^>]*>Older</)
    expect(numbers((await follow(last.text, 'Newer')).text)[0]).toBe('25')
    expect(numbers((await follow(second.text, 'Newer')).text)).toEqual(numbers(first.text))
    expect(numbers((await follow(first.text, 'Oldest')).text).at(-1)).toBe('1')
  })

  it('follows links, and says where one leads whose target is gone', async () => {
    const target = aStream()
    const stream = aStream()
    await client.appendToStream(target, [jsonEvent({ type: 'Target', data: { it: 'is me' } })])
    const linkTo = (to: string) => binaryEvent({ type: '$>', data: Buffer.from(to), metadata: { reason: `for ${to}` } })
    await client.appendToStream(stream, [linkTo(`0@${target}`), linkTo(`4@${target}`)])
    const { text } = await pageOf(stream)
    expect(numbers(text)).toEqual(['2', '1'])
    expect(text).toContain('is me')
    expect(text).toContain(`for 0@${target}`)
    expect(links(text)).toContain(`/inspector/event?stream=${target}&number=1`)
    expect(text).toContain(`>4@${target}</bdi>, which cannot be read`)
  })

  it('shows what is hostile as it is, and nothing of it is taken for a page', async () => {
    const stream = `<script>alert(1)</script>"'&-${randomUUID()}/../%2F?#`
    const hostile = '</pre><script>alert(2)</script>'
    await client.appendToStream(stream, [
      jsonEvent({ type: '<img src=x>', data: { [hostile]: 'a\u202eb\u0000c' }, metadata: { hostile } }),
      binaryEvent({ type: 'binary', data: Buffer.from([0, 255, 60, 98, 62]), metadata: Buffer.from([255, 60]) }),
      jsonEvent({ type: 'large', data: { large: '<'.repeat(500_000) } }),
      jsonEvent({ type: 'deep', data: JSON.parse('['.repeat(1_000) + ']'.repeat(1_000)) }),
    ])
    const { status, text } = await pageOf(stream)
    expect(status).toBe(200)
    expect(numbers(text)).toEqual(['4', '3', '2', '1'])
    expect(text).not.toMatch(/<script>|<img|\u202e|\0/)
    expect(text).toContain('a\\u202eb\\u0000c')
    expect(text).toContain('00 ff 3c 62 3e')
    expect(text.length).toBeLessThan(60_000)
    const one = await page(`/inspector/event?stream=${encodeURIComponent(stream)}&number=3`)
    expect(one.text.split('&lt;').length).toBeGreaterThan(500_000)
    expect(links((await page('/inspector')).text)).toContain(
      `/inspector/stream?${new URLSearchParams({ name: stream })}`,
    )
  })

  it('tells a stream without events from one that is deleted for good', async () => {
    expect((await pageOf(aStream())).text).toContain('There is no event to be read')
    const stream = aStream()
    await client.appendToStream(stream, events(1))
    await client.tombstoneStream(stream)
    const { status, text } = await pageOf(stream)
    expect(status).toBe(404)
    expect(text).toContain('Deleted for good')
  })

  it.each([
    ['/inspector/stream', 'name is missing'],
    ['/inspector/stream?name=x&before=-1', 'before must be a whole number'],
    ['/inspector/event?stream=x&number=0', 'number must be 1 or more'],
    ['/inspector/all?before=99999999999999999999', 'before must be a whole number'],
    ['/inspector?system=yes', 'system must be 1 or left out'],
  ])('says what is wrong with %s', async (path, reason) => {
    const { status, text } = await page(path)
    expect(status).toBe(400)
    expect(text).toContain(reason)
  })
})

describe('where an event landed', () => {
  it('is the row that shows it, or why there is none', async () => {
    const email = `${randomUUID()}@example.com`
    const stream = `user-${email}`
    await client.appendToStream(stream, [jsonEvent(registrationOf(email))])
    await eventually(async () => (await pageOf(stream)).text.includes('in the read model'), 'it to be applied')
    const { text } = await page(`/inspector/event?stream=${stream}&number=1`)
    expect(text).toContain('Row of <code>users</code>')
    expect(text).toContain(`<dt>canonical_email</dt><dd><bdi>${email}</bdi>`)

    const unused = aStream()
    await client.appendToStream(unused, events(1))
    expect((await pageOf(unused)).text).toContain('no projection uses it')
  })

  it('is the list of parked events where it could not be applied, until it can', async () => {
    const [taken, email] = [`${randomUUID()}@example.com`, `${randomUUID()}@example.com`]
    const id = ulid()
    for (const each of [taken, email]) {
      await client.appendToStream(`user-${each}`, [jsonEvent(registrationOf(each, id))])
    }
    const readModel = () => page('/inspector/read-model')
    await eventually(async () => (await readModel()).text.includes(email), 'it to be parked')
    expect((await readModel()).text).toContain('UNIQUE constraint failed')
    expect((await pageOf(`user-${email}`)).text).toContain('UNIQUE constraint failed')

    const replay = async () => {
      const [, token = ''] = /name="token" value="([^"]+)"/.exec((await readModel()).text) ?? []
      const response = await fetch(`${url}/inspector/read-model/replay`, {
        method: 'POST',
        body: new URLSearchParams({ token }),
        headers: { Origin: url, 'Sec-Fetch-Site': 'same-origin' },
      })
      return response.text()
    }
    expect(await replay()).toContain('0 parked events could be applied now')
    removeUser(dataDir, id)
    expect(await replay()).toContain('1 parked event could be applied now')
    expect((await readModel()).text).not.toContain(email)
    expect((await pageOf(`user-${email}`)).text).toContain('in the read model')
  })
})

it('$all has the newest events of the log first, and leads to the older ones', async () => {
  const stream = aStream()
  for (let index = 0; index < 3; index++) await client.appendToStream(stream, events(25))
  const numbersOf = (text: string) =>
    links(text).flatMap((href) => new RegExp(`stream=${stream}&number=(\\d+)`).exec(href)?.[1] ?? [])
  let seen: string[] = []
  let { text } = await page('/inspector/all')
  await eventually(async () => {
    seen = [...seen, ...numbersOf(text)]
    if (seen.length === 75) return true
    text = (await follow(text, 'Older')).text
    return false
  }, 'all events of the stream to be seen')
  expect(seen).toEqual(Array.from({ length: 75 }, (_, index) => String(75 - index)))
})

it('the groups of persistent subscriptions are listed', async () => {
  const stream = aStream()
  const { persistentSubscriptionToStreamSettingsFromDefaults } = await import('@eventstore/db-client')
  await client.createPersistentSubscriptionToStream(stream, '<b>', persistentSubscriptionToStreamSettingsFromDefaults())
  const { text } = await page('/inspector/groups')
  expect(text).toContain('<bdi class="name">&lt;b&gt;</bdi>')
  expect(links(text)).toContain(`/inspector/stream?name=${stream}`)
})

it('the root links to it', async () => {
  const root = await fetch(`${url}/`)
  expect(await root.json()).toMatchObject({ _links: { inspector: { href: '/inspector' } } })
})
