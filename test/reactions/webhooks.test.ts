import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { Webhook, WebhookVerificationError } from 'standardwebhooks'
import { afterAll, describe, expect, it, onTestFinished } from 'vitest'
import { z } from 'zod'
import type { RecordedEvent } from '../../src/cqrs/event.ts'
import { Reactor } from '../../src/cqrs/reactor.ts'
import { connectEventStore } from '../../src/eventstoredb/event-store.ts'
import { openReactionStore } from '../../src/reactions/sqlite-reaction-store.ts'
import { type WebhookOptions, webhooks } from '../../src/reactions/webhooks.ts'
import { eventStoreUrl } from '../support/event-store.ts'
import { eventually } from '../support/eventually.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { ok, SECRET, startReceiver, status, verified } from './receiver.ts'

const log = connectEventStore(await eventStoreUrl())
afterAll(() => log.close())

describe('a delivery', () => {
  it('is a signed POST with the event as JSON', async () => {
    const receiver = await startReceiver()
    const event = anEvent()
    await webhookTo(receiver.url).react(event, never())
    const [delivery] = receiver.deliveries
    if (!delivery) throw new Error('nothing was delivered')
    expect(delivery).toMatchObject({ id: event.id, method: 'POST', headers: { 'content-type': 'application/json' } })
    expect(verified(delivery)).toEqual({
      type: 'thing.tested',
      timestamp: '2026-01-02T03:04:05.678Z',
      data: { name: 'Zoë' },
    })
    expect(() => verified({ ...delivery, body: `${delivery.body} ` })).toThrow(WebhookVerificationError)
    const other = new Webhook(`whsec_${Buffer.alloc(32).toString('base64')}`)
    const fields = z.record(z.string(), z.string()).parse(delivery.headers)
    expect(() => other.verify(delivery.body, fields)).toThrow(WebhookVerificationError)
  })

  it.each([200, 201, 202, 204, 299])('is made with the answer %i', async (code) => {
    const receiver = await startReceiver()
    receiver.answer = status(code)
    await webhookTo(receiver.url).react(anEvent(), never())
    expect(receiver.deliveries).toHaveLength(1)
  })

  it.each([
    [301, {}, { name: 'Error' }],
    [302, { location: '/elsewhere' }, { name: 'Error' }],
    [400, {}, { name: 'Error' }],
    [404, {}, { name: 'Error' }],
    [500, {}, { name: 'Error' }],
    [410, {}, { name: 'ReactionUnwanted' }],
    [429, {}, { name: 'Throttled', wait: undefined }],
    [502, {}, { name: 'Throttled', wait: undefined }],
    [503, { 'retry-after': '7' }, { name: 'Throttled', wait: 7_000 }],
    [504, {}, { name: 'Throttled', wait: undefined }],
    [500, { 'retry-after': '0' }, { name: 'Throttled', wait: 0 }],
    [429, { 'retry-after': 'soon' }, { name: 'Throttled', wait: undefined }],
    [429, { 'retry-after': 'Wed, 21 Oct 2015 07:28:00 GMT' }, { name: 'Throttled', wait: 0 }],
  ])('is not made with the answer %i %j', async (code, headers, expected) => {
    const receiver = await startReceiver()
    receiver.answer = status(code, headers)
    const delivery = webhookTo(receiver.url).react(anEvent(), never())
    await expect(delivery).rejects.toMatchObject({ ...expected, message: expect.stringContaining(`answered ${code}`) })
    expect(receiver.deliveries).toHaveLength(1)
  })

  it('fails where no answer comes in time, headers and all', async () => {
    const receiver = await startReceiver()
    receiver.answer = () => undefined
    const webhook = webhookTo(receiver.url, { timeout: 50 })
    await expect(webhook.react(anEvent(), never())).rejects.toThrow('no answer within 50 ms')
  })

  it('is made once the status is there: the body of the answer is not waited for', async () => {
    const receiver = await startReceiver()
    receiver.answer = (response) => void response.writeHead(200).write('…')
    await webhookTo(receiver.url).react(anEvent(), never())
  })

  it('fails where nobody listens, without repeating the URL', async () => {
    const receiver = await startReceiver()
    await receiver.close()
    const webhook = webhookTo(`${receiver.url}?token=hush`)
    await expect(webhook.react(anEvent(), never())).rejects.toThrow(/^no answer: ECONNREFUSED$/)
  })

  it('ends when the reaction is stopped', async () => {
    const receiver = await startReceiver()
    const stop = new AbortController()
    receiver.answer = () => stop.abort()
    await expect(webhookTo(receiver.url).react(anEvent(), stop.signal)).rejects.toThrow()
  })

  it('is hopeless for an event that makes no message', async () => {
    const receiver = await startReceiver()
    const webhook = webhookTo(receiver.url, { message: () => JSON.parse('{') })
    await expect(webhook.react(anEvent(), never())).rejects.toMatchObject({ name: 'Hopeless' })
    expect(receiver.deliveries).toEqual([])
  })
})

describe('deliveries', () => {
  it('survive a receiver that fails, hangs, breaks off, answers slowly, goes away and comes back', async () => {
    const receiver = await startReceiver()
    const { append, reactor } = await startDelivering(receiver.url)
    const first = await append()
    await eventually(() => receiver.deliveries.length === 1, 'the first delivery')

    receiver.answer = status(500)
    const second = await append()
    await eventually(() => receiver.deliveries.length >= 4, 'failures')
    receiver.answer = () => undefined
    await eventually(() => receiver.deliveries.length >= 6, 'attempts that hang')
    receiver.answer = (response) => response.destroy()
    await eventually(() => receiver.deliveries.length >= 8, 'attempts that break off')
    expect(reactor.status()).toMatchObject({ retrying: 1, parked: 0 })
    await receiver.close()
    const third = await append()
    await eventually(() => reactor.status().retrying === 2, 'attempts without a receiver')

    const back = await startReceiver(receiver.port)
    back.answer = (response) => void setTimeout(() => ok(response), 20)
    await eventually(() => reactor.status().lag === 0 && reactor.status().state === 'live', 'all to be delivered')
    expect(receiver.deliveries.slice(1).every(({ id }) => id === second)).toBe(true)
    expect(back.deliveries.map(({ id }) => id).toSorted()).toEqual([second, third].toSorted())
    expect(receiver.deliveries[0]?.id).toBe(first)
    for (const delivery of [...receiver.deliveries, ...back.deliveries]) verified(delivery)
    expect(reactor.status()).toMatchObject({ retrying: 0, parked: 0 })
  })

  it('stop with 410 Gone, and nothing is sent any more', async () => {
    const receiver = await startReceiver()
    receiver.answer = status(410)
    const { append, reactor } = await startDelivering(receiver.url)
    await append()
    await eventually(() => reactor.status().state === 'failed', 'the reaction to stop')
    await append()
    expect(receiver.deliveries).toHaveLength(1)
    expect(reactor.status().error?.message).toBe('the receiver answered 410: it wants no more webhooks')
  })

  it('carry the time of the attempt, and always the same id and body', async () => {
    const receiver = await startReceiver()
    const long = Date.now()
    receiver.answer = (response) => (Date.now() - long < 1_100 ? status(500)(response) : ok(response))
    const { append, reactor } = await startDelivering(receiver.url)
    await append()
    await eventually(() => receiver.deliveries.length > 1 && reactor.status().lag === 0, 'the delivery')
    const distinct = (of: (delivery: (typeof receiver.deliveries)[number]) => unknown) =>
      new Set(receiver.deliveries.map(of)).size
    expect(distinct(({ id }) => id)).toBe(1)
    expect(distinct(({ body }) => body)).toBe(1)
    expect(distinct(({ headers }) => headers['webhook-timestamp'])).toBeGreaterThan(1)
  })
})

/** Delivers what is appended to new streams, each attempt within 100 ms and tried again every few. */
async function startDelivering(url: string) {
  const type = `hooked${randomUUID().replaceAll('-', '')}`
  const store = openReactionStore(join(temporaryFolder(), 'reactions.sqlite'))
  onTestFinished(() => store.close())
  const reaction = webhookTo(url, { predicate: { aggregates: [{ type, events: 'all' }] }, timeout: 100 })
  const retry = { firstWait: 2, longestWait: 20, maxAttempts: 100_000 }
  const reactor = new Reactor({ log, store, reaction, retry })
  onTestFinished(() => reactor.stop())
  await reactor.start()
  const append = async () => {
    const id = randomUUID()
    await log.append(`${type}-${id}`, [{ id, type: 'Tested', data: { name: 'Zoë' }, metadata: {} }], 'new')
    return id
  }
  return { append, reactor }
}

function webhookTo(url: string, options: Partial<WebhookOptions> = {}) {
  return webhooks({
    ...{ name: 'test', url, secret: SECRET, predicate: { aggregates: 'all', events: 'all' } },
    message: ({ data }) => ({ type: 'thing.tested', data: z.record(z.string(), z.unknown()).parse(data) }),
    ...options,
  })
}

const never = () => new AbortController().signal

function anEvent(): RecordedEvent {
  const created = new Date('2026-01-02T03:04:05.678Z')
  const data = { name: 'Zoë' }
  return { id: randomUUID(), stream: 'thing-1', number: 1, position: 1, type: 'Tested', data, metadata: {}, created }
}
