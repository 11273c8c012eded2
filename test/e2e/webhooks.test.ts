import { join } from 'node:path'
import { EventStoreDBClient, jsonEvent } from '@eventstore/db-client'
import Database from 'better-sqlite3'
import { describe, expect, it, onTestFinished } from 'vitest'
import { z } from 'zod'
import { ok, SECRET, startReceiver, status, verified } from '../reactions/receiver.ts'
import { anEmail, register } from '../support/api.ts'
import {
  printed,
  rollbook,
  type Service,
  startNode,
  startService,
  temporaryDirectory,
  waitUntil,
} from '../support/processes.ts'

describe('webhooks of the service', () => {
  it('tell of each registration from the time they are switched on, and of none before', async () => {
    const DATA_DIR = temporaryDirectory()
    const before = await startService({ DATA_DIR })
    expect((await register(before.url, anEmail())).status).toBe(201)
    expect(await reactionsOf(before)).toEqual([])
    before.process.kill('SIGTERM')
    await before.ended

    const receiver = await startReceiver()
    const service = await startService({ DATA_DIR, WEBHOOK_URL: receiver.url, WEBHOOK_SECRET: SECRET })
    const email = anEmail()
    const user = z.object({ id: z.string() }).parse(await (await register(service.url, email)).json())
    await waitUntil(() => receiver.deliveries.length > 0, 'the webhook')
    const [delivery, ...others] = receiver.deliveries
    expect(others).toEqual([])
    expect(delivery && verified(delivery)).toEqual({
      type: 'user.registered',
      timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      data: { id: user.id, name: 'Ada Lovelace', email },
    })
    await waitUntil(async () => (await reactionsOf(service))[0]?.lag === 0, 'it to be recorded')
    expect(await reactionsOf(service)).toMatchObject([
      { name: 'webhooks', state: 'live', position: expect.any(Number), lag: 0, retrying: 0, parked: 0 },
    ])
    expect(service.output()).not.toContain(SECRET.slice('whsec_'.length))
  })

  it('come at least once, with the same id, where the service is killed before it has recorded them', async () => {
    const receiver = await startReceiver()
    const environment = { DATA_DIR: temporaryDirectory(), WEBHOOK_URL: receiver.url, WEBHOOK_SECRET: SECRET }
    const service = await startService(environment)
    receiver.answer = () => service.process.kill('SIGKILL')
    await register(service.url, anEmail()).catch(() => undefined)
    expect(await service.ended).toBe('SIGKILL')

    receiver.answer = ok
    const again = await startService(environment)
    await waitUntil(() => receiver.deliveries.length === 2, 'the webhook to come again')
    await waitUntil(async () => (await reactionsOf(again))[0]?.lag === 0, 'it to be recorded')
    const [first, second] = receiver.deliveries
    expect(second?.id).toBe(first?.id)
    expect(second?.body).toBe(first?.body)
  })

  it('that fail or are parked leave the service ready, are shown, and come after a restart', async () => {
    const node = await startNode(temporaryDirectory())
    const receiver = await startReceiver()
    receiver.answer = status(500)
    const environment = {
      ...{ EVENTSTORE_URL: node.url, DATA_DIR: temporaryDirectory() },
      ...{ WEBHOOK_URL: receiver.url, WEBHOOK_SECRET: SECRET },
    }
    const service = await startService(environment)
    const client = EventStoreDBClient.connectionString(node.url)
    onTestFinished(() => client.dispose())
    const stream = `user-${anEmail()}`
    await client.appendToStream(stream, jsonEvent({ type: 'UserRegistered', data: { id: 'no ulid' } }))
    expect((await register(service.url, anEmail())).status).toBe(201)
    await waitUntil(async () => {
      const [webhooks] = await reactionsOf(service)
      return webhooks?.retrying === 1 && webhooks.parked === 1
    }, 'one to be tried again and the other to be parked')
    expect((await fetch(`${service.url}/health/ready`)).status).toBe(200)

    const report = rollbook(['status'], environment)
    expect(await report.ended).toBe(1)
    expect(report.output()).toMatch(/reaction +webhooks: position \d+, parked 1\n +UserRegistered at position \d+/)
    expect(report.output()).toContain(stream)

    service.process.kill('SIGTERM')
    expect(await service.ended).toBe(0)
    receiver.deliveries.length = 0
    receiver.answer = ok
    await startService(environment)
    await waitUntil(() => receiver.deliveries.length === 1, 'the webhook after the restart')
  })

  it('need a secret, and a file of their own that can be used', async () => {
    const DATA_DIR = temporaryDirectory()
    const environment = { DATA_DIR, WEBHOOK_URL: 'http://127.0.0.1:1/' }
    const without = rollbook(['serve'], environment)
    expect(await without.ended).toBe(2)
    expect(without.output()).toMatch(/^rollbook: WEBHOOK_SECRET= is not allowed: whsec_.*\n$/)

    const service = rollbook(['serve'], { ...environment, WEBHOOK_SECRET: SECRET })
    await printed(service, /API: (http:\S+)/)
    service.process.kill('SIGTERM')
    expect(await service.ended).toBe(0)

    const db = new Database(join(DATA_DIR, 'reactions.sqlite'))
    db.pragma('user_version = 99')
    db.close()
    const refused = rollbook(['serve'], { ...environment, WEBHOOK_SECRET: SECRET })
    expect(await refused.ended).toBe(23)
    expect(refused.output()).toMatch(/rollbook: the reactions in .*reactions\.sqlite cannot be used: schema version 99/)
  })
})

const health = z.object({
  reactions: z.array(
    z.object({
      ...{ name: z.string(), state: z.string(), position: z.number() },
      ...{ lag: z.number().nullable(), retrying: z.number(), parked: z.number() },
    }),
  ),
})

const reactionsOf = async ({ url }: Service) => {
  return health.parse(await (await fetch(`${url}/health/ready`)).json()).reactions
}
