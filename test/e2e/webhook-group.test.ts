import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { ok, type Receiver, SECRET, startReceiver, status } from '../reactions/receiver.ts'
import { anEmail, register } from '../support/api.ts'
import { rollbook, type Service, startNode, startService, temporaryDirectory, waitUntil } from '../support/processes.ts'

describe('webhooks of services that share a group', () => {
  it('come once each while nothing fails, whichever service takes them', async () => {
    const receiver = await startReceiver()
    const { services, register } = await twoServices(receiver.url)
    const ids = await register(60)
    await waitUntil(() => receiver.deliveries.length >= ids.length, 'all webhooks')
    await waitUntil(async () => (await lags(services)).every((lag) => lag === 0), 'all to be settled')
    for (const service of services) service.process.kill('SIGTERM')
    for (const service of services) expect(await service.ended).toBe(0)
    expect(receiver.deliveries.map(userOf).sort()).toEqual(ids.sort())
    expect(senders(receiver)).toBe(2)
  })

  it('come at least once each where one of the services is killed at work', async () => {
    const receiver = await startReceiver()
    const { services, register } = await twoServices(receiver.url)
    const [victim, survivor] = services
    receiver.answer = (response) => void setTimeout(() => ok(response), 50)
    const killed = waitUntil(() => senders(receiver) === 2 && receiver.deliveries.length > 20, 'both at work').then(
      () => victim?.process.kill('SIGKILL'),
    )
    const ids = await register(100, survivor)
    await killed
    expect(await victim?.ended).toBe('SIGKILL')
    await waitUntil(() => new Set(receiver.deliveries.map(userOf)).size === ids.length, 'every webhook')
    expect([...new Set(receiver.deliveries.map(userOf))].sort()).toEqual(ids.sort())
  })

  it('that fail are tried again, and those that are hopeless are parked and shown', async () => {
    const receiver = await startReceiver()
    const { services, register, environment } = await twoServices(receiver.url)
    receiver.answer = status(500)
    const [id] = await register(1)
    await waitUntil(() => receiver.deliveries.length > 0, 'the first attempt')
    receiver.answer = ok
    await waitUntil(() => receiver.deliveries.length > 1, 'another attempt')
    expect(new Set(receiver.deliveries.map(userOf))).toEqual(new Set([id]))
    expect(new Set(receiver.deliveries.map(({ id }) => id)).size).toBe(1)
    await waitUntil(async () => (await lags(services)).every((lag) => lag === 0), 'it to be settled')
    const report = rollbook(['status'], environment)
    expect(await report.ended).toBe(0)
    expect(report.output()).toMatch(/reaction +webhooks \(group mail\): position \d+, parked 0/)
  })
})

async function twoServices(webhookUrl: string) {
  const node = await startNode(temporaryDirectory())
  const environmentOf = (name: string) => ({
    ...{ EVENTSTORE_URL: node.url, DATA_DIR: temporaryDirectory() },
    ...{ WEBHOOK_URL: `${webhookUrl}/${name}`, WEBHOOK_SECRET: SECRET, WEBHOOK_GROUP: 'mail' },
  })
  const environment = environmentOf('one')
  const services = await Promise.all([startService(environment), startService(environmentOf('other'))])
  const registerUsers = async (count: number, at = services[0]): Promise<string[]> => {
    const answers = Array.from({ length: count }, async () => {
      const response = await register(at?.url ?? '', anEmail())
      expect(response.status).toBe(201)
      return z.object({ id: z.string() }).parse(await response.json()).id
    })
    return Promise.all(answers)
  }
  return { services, environment, register: registerUsers }
}

/** How many of the services have sent something. */
const senders = ({ deliveries }: Receiver) => new Set(deliveries.map(({ path }) => path)).size

const userOf = ({ body }: { body: string }): string =>
  z.object({ data: z.object({ id: z.string() }) }).parse(JSON.parse(body)).data.id

const health = z.object({ reactions: z.array(z.object({ state: z.string(), lag: z.number().nullable() })) })

const lags = (services: readonly Service[]): Promise<(number | null | undefined)[]> =>
  Promise.all(
    services.map(async ({ url }) => {
      const { reactions } = health.parse(await (await fetch(`${url}/health/ready`)).json())
      return reactions[0]?.lag
    }),
  )
