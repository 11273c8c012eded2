import { describe, expect, it } from 'vitest'
import { anEmail, find, register } from '../support/api.ts'
import { eventStoreUrl } from '../support/event-store.ts'
import { startService, temporaryDirectory, waitUntil } from '../support/processes.ts'

describe('two services on one event store', () => {
  it('register each email once, however it is written and wherever it is sent', async () => {
    const EVENTSTORE_URL = await eventStoreUrl()
    const services = await Promise.all(
      [1, 2].map(() => startService({ EVENTSTORE_URL, DATA_DIR: temporaryDirectory() }, 'listening')),
    )
    const emails = Array.from({ length: 40 }, anEmail)
    const attempts = emails.flatMap((email) =>
      services.flatMap(({ url }) =>
        [email, email.toUpperCase(), ` ${email}`, email.replace('example', 'EXAMPLE')].map(async (spelling) => ({
          email,
          status: (await register(url, spelling)).status,
        })),
      ),
    )
    const outcomes = await Promise.all(attempts)
    for (const email of emails) {
      const statuses = outcomes.filter((outcome) => outcome.email === email).map(({ status }) => status)
      expect(statuses.toSorted()).toEqual([201, 409, 409, 409, 409, 409, 409, 409])
    }
    for (const { url } of services) {
      await waitUntil(async () => (await fetch(`${url}/health/ready`)).ok, `${url} to be ready`)
      for (const email of emails) expect(await find(url, email)).toHaveLength(1)
    }
  })

  it('give the first answer to a request that is repeated at the other one', async () => {
    const EVENTSTORE_URL = await eventStoreUrl()
    const start = () => startService({ EVENTSTORE_URL, DATA_DIR: temporaryDirectory() }, 'listening')
    const [one, other] = await Promise.all([start(), start()])
    const email = anEmail()
    const key = { 'idempotency-key': 'once' }
    const first = await register(one.url, email, key)
    const second = await register(other.url, email, key)
    expect([first.status, second.status]).toEqual([201, 201])
    expect(second.headers.get('idempotency-replayed')).toBe('true')
    expect(await second.json()).toEqual(await first.json())
  })
})
