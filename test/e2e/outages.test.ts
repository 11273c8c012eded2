import { describe, expect, it } from 'vitest'
import { startProxy } from '../faults/proxy.ts'
import { anEmail, find, register } from '../support/api.ts'
import { startNode, startService, temporaryDirectory, waitUntil } from '../support/processes.ts'

describe('a service whose event store goes away', () => {
  it('answers queries, refuses commands with 503 in time, and goes on when the store is back', async () => {
    const log = temporaryDirectory()
    const node = await startNode(log)
    const service = await startService({ EVENTSTORE_URL: node.url, DATA_DIR: temporaryDirectory() })
    const known = anEmail()
    expect((await register(service.url, known)).status).toBe(201)
    await waitUntil(async () => (await find(service.url, known)).length === 1, 'the user to be listed')

    node.process.kill('SIGKILL')
    await node.ended
    const started = performance.now()
    const refused = await register(service.url, anEmail())
    expect(performance.now() - started).toBeLessThan(8_000)
    expect(refused.status).toBe(503)
    expect(refused.headers.get('retry-after')).toMatch(/^\d+$/)
    expect(await refused.json()).toMatchObject({ type: '/problems/event-store-unavailable' })
    expect(await find(service.url, known)).toHaveLength(1)
    await waitUntil(async () => (await fetch(`${service.url}/health/ready`)).status === 503, 'it to be unready')
    expect((await fetch(`${service.url}/health/live`)).status).toBe(200)

    await startNode(log, Number(new URL(node.url.replace('esdb:', 'http:')).port))
    await waitUntil(async () => (await fetch(`${service.url}/health/ready`)).ok, 'it to be ready again')
    const later = anEmail()
    const registered = await register(service.url, later)
    expect(registered.status).toBe(201)
    const token = registered.headers.get('consistency-token') ?? ''
    expect(await find(service.url, later, { 'consistency-token': token })).toHaveLength(1)
  })

  it('starts without it, and works once it comes', async () => {
    const log = temporaryDirectory()
    const node = await startNode(log)
    node.process.kill('SIGTERM')
    await node.ended
    const service = await startService({ EVENTSTORE_URL: node.url, DATA_DIR: temporaryDirectory() }, 'listening')
    expect((await fetch(`${service.url}/health/ready`)).status).toBe(503)
    expect((await fetch(`${service.url}/users`)).status).toBe(503)
    await startNode(log, Number(new URL(node.url.replace('esdb:', 'http:')).port))
    await waitUntil(async () => (await fetch(`${service.url}/health/ready`)).ok, 'it to be ready')
    expect((await register(service.url, anEmail())).status).toBe(201)
  })

  it('tells a repeated request the outcome that it could not tell the first time', async () => {
    const node = await startNode(temporaryDirectory())
    const { port } = new URL(node.url.replace('esdb:', 'http:'))
    const proxy = await startProxy({ host: '127.0.0.1', port: Number(port) })
    const EVENTSTORE_URL = `esdb://127.0.0.1:${proxy.port}?tls=false`
    const service = await startService({ EVENTSTORE_URL, DATA_DIR: temporaryDirectory() })
    expect((await register(service.url, anEmail())).status).toBe(201)

    proxy.add({ type: 'timeout', timeout: 0 })
    const email = anEmail()
    const key = { 'idempotency-key': 'the-same' }
    const lost = await register(service.url, email, key)
    expect(lost.status).toBe(503)
    expect(await lost.json()).toMatchObject({ outcome: 'unknown', detail: expect.stringContaining('Idempotency-Key') })
    proxy.reset()

    await waitUntil(async () => (await fetch(`${service.url}/health/ready`)).ok, 'it to be ready again', 40_000)
    const repeated = await register(service.url, email, key)
    expect(repeated.status).toBe(201)
    expect(repeated.headers.get('idempotency-replayed')).toBe('true')
    await proxy.close()
  })
})
