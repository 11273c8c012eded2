import { EventStoreDBClient, jsonEvent } from '@eventstore/db-client'
import { describe, expect, it, onTestFinished } from 'vitest'
import { anEmail, find, register } from '../support/api.ts'
import { rollbook, startNode, startService, temporaryDirectory, waitUntil } from '../support/processes.ts'

describe('an event that cannot be applied', () => {
  it('is set aside with the later ones of its stream, while everything else goes on', async () => {
    const node = await startNode(temporaryDirectory())
    const environment = { EVENTSTORE_URL: node.url, DATA_DIR: temporaryDirectory() }
    const service = await startService(environment)
    const client = EventStoreDBClient.connectionString(node.url)
    onTestFinished(() => client.dispose())
    const stream = `user-${anEmail()}`
    const malformed = jsonEvent({ type: 'UserRegistered', data: { id: 'no ulid' } })
    const ignored = jsonEvent({ type: 'UserWaved', data: {} })
    await client.appendToStream(stream, [malformed, ignored])

    const email = anEmail()
    expect((await register(service.url, email)).status).toBe(201)
    await waitUntil(async () => (await find(service.url, email)).length === 1, 'the user to be listed')
    const ready = await fetch(`${service.url}/health/ready`)
    expect(await ready.json()).toMatchObject({ readModel: { parked: 2 } })

    const status = rollbook(['status'], environment)
    expect(await status.ended).toBe(1)
    expect(status.output()).toContain(`event 1 of ${stream}`)
    const rebuild = rollbook(['rebuild'], environment)
    expect(await rebuild.ended).toBe(1)
    expect(rebuild.output()).toContain(`event 1 of ${stream}`)
    expect(await find(service.url, email)).toHaveLength(1)
  })
})
