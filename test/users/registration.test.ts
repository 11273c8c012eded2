import { randomUUID } from 'node:crypto'
import { EventStoreDBClient } from '@eventstore/db-client'
import { afterAll, describe, expect, it } from 'vitest'
import type { RecordedEvent } from '../../src/cqrs/event.ts'
import { type EventSink, type EventSource, StoreUnavailable } from '../../src/cqrs/event-store.ts'
import { connectEventStore } from '../../src/eventstoredb/event-store.ts'
import { type RegistrationRequest, registration } from '../../src/users/registration.ts'
import { eventStoreUrl } from '../support/event-store.ts'

const url = await eventStoreUrl()
const store = connectEventStore(url)
const client = EventStoreDBClient.connectionString(url)
afterAll(() => Promise.all([store.close(), client.dispose()]))

const register = registration(store)

describe('a registration', () => {
  it('is one event in the stream of the canonical email', async () => {
    const request = aRequest({ requestId: 'request-1' })
    const { user, position, replayed } = await register(request)
    const [event, ...rest] = await eventsOf(request)
    expect(rest).toEqual([])
    expect(event).toMatchObject({
      number: 1,
      position,
      type: 'UserRegistered',
      data: { id: user.id, name: request.name, email: request.email },
      metadata: { correlationId: 'request-1', causationId: 'request-1' },
      created: user.createdAt,
    })
    expect(event?.metadata).not.toHaveProperty('idempotency')
    expect(replayed).toBe(false)
  })

  it('ends with an unknown outcome where the read after a conflict takes too long', async () => {
    const request = aRequest()
    await register(request)
    const hanging: EventSink & Pick<EventSource, 'read'> = {
      append: (...call) => store.append(...call),
      // A real store cannot be made to hang between the two calls of one registration.
      async *read() {
        await new Promise(() => undefined)
      },
    }
    const failure = { name: 'StoreUnavailable', outcome: 'unknown' }
    await expect(registration(hanging, 300)(request)).rejects.toMatchObject(failure)
  })

  it('reads nothing before it appends', async () => {
    const calls: string[] = []
    const watched: EventSink & Pick<EventSource, 'read'> = {
      append(...call) {
        calls.push('append')
        return store.append(...call)
      },
      read(...call) {
        calls.push('read')
        return store.read(...call)
      },
    }
    await registration(watched)(aRequest())
    expect(calls).toEqual(['append'])
  })

  it('succeeds once of many at the same time', async () => {
    const request = aRequest()
    const outcomes = await Promise.allSettled(Array.from({ length: 20 }, () => register(request)))
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ name: 'EmailAlreadyRegistered' })
    }
  })

  it('is refused where the email is registered, with or without an idempotency key', async () => {
    const request = aRequest({ idempotencyKey: 'mine' })
    await register(request)
    for (const idempotencyKey of [undefined, 'another']) {
      await expect(register({ ...request, idempotencyKey })).rejects.toMatchObject({ name: 'EmailAlreadyRegistered' })
    }
  })

  it('is refused with a key where the first one had none', async () => {
    const request = aRequest()
    await register(request)
    await expect(register({ ...request, idempotencyKey: 'mine' })).rejects.toMatchObject({
      name: 'EmailAlreadyRegistered',
    })
  })

  it('is refused where the email is taken by something else', async () => {
    const request = aRequest({ idempotencyKey: 'mine' })
    const alien = { id: randomUUID(), type: 'Alien', data: {}, metadata: { idempotency: 'what' } }
    await store.append(`user-${request.canonicalEmail}`, [alien], 'new')
    await expect(register(request)).rejects.toMatchObject({ name: 'EmailAlreadyRegistered' })
  })

  it('is refused where the stream of the email was deleted for good', async () => {
    const request = aRequest()
    await client.tombstoneStream(`user-${request.canonicalEmail}`)
    await expect(register(request)).rejects.toMatchObject({ name: 'EmailAlreadyRegistered' })
  })

  it('is possible again where the stream of the email was deleted', async () => {
    const request = aRequest()
    const first = await register(request)
    await client.deleteStream(`user-${request.canonicalEmail}`)
    const second = await register(request)
    expect(second.user.id).not.toBe(first.user.id)
  })
})

describe('a registration that is repeated with its idempotency key', () => {
  it('gets the first answer', async () => {
    const request = aRequest({ idempotencyKey: 'mine' })
    const first = await register(request)
    const again = await register({ ...request, requestId: 'another' })
    expect(again).toEqual({ ...first, replayed: true })
    expect(await eventsOf(request)).toHaveLength(1)
  })

  it('gets the first answer also where both come at the same time', async () => {
    const request = aRequest({ idempotencyKey: 'mine' })
    const answers = await Promise.all(Array.from({ length: 10 }, () => register(request)))
    expect(new Set(answers.map(({ user }) => user.id)).size).toBe(1)
    expect(answers.filter(({ replayed }) => !replayed)).toHaveLength(1)
  })

  it.each([{ username: 'Bob' }, { email: 'ADA' }])('is refused with another body: %j', async (other) => {
    const request = aRequest({ idempotencyKey: 'mine' })
    await register(request)
    await expect(register({ ...request, sent: { ...request.sent, ...other } })).rejects.toMatchObject({
      name: 'IdempotencyKeyReused',
    })
  })

  it('leaves no trace of the key in the log, and none that links two emails', async () => {
    const requests = [aRequest({ idempotencyKey: 'my-secret' }), aRequest({ idempotencyKey: 'my-secret' })]
    for (const request of requests) await register(request)
    const metadata = (await Promise.all(requests.map(eventsOf))).map(([event]) => JSON.stringify(event?.metadata))
    expect(metadata.join()).not.toContain('my-secret')
    const keys = metadata.map((text) => /"key":"([^"]+)"/.exec(text)?.[1])
    expect(keys[0]).not.toBe(keys[1])
  })
})

describe('a registration while the event store does not answer', () => {
  // A real store cannot be made to fail at exactly these instants, so it is wrapped.
  it('has an unknown outcome where the time of its event cannot be learned, and the first answer on retry', async () => {
    const request = aRequest({ idempotencyKey: 'mine' })
    const losesTimes: EventSink & Pick<EventSource, 'read'> = {
      async append(...call) {
        const appended = await store.append(...call)
        const recordedAt = () => Promise.reject(new StoreUnavailable('lost', 'not-appended'))
        return { ...appended, recordedAt }
      },
      read: store.read,
    }
    await expect(registration(losesTimes)(request)).rejects.toMatchObject({
      name: 'StoreUnavailable',
      outcome: 'unknown',
    })
    expect(await register(request)).toMatchObject({ replayed: true, user: { name: request.name } })
  })

  it('gets the first answer on retry where the answer of the append was lost', async () => {
    const request = aRequest({ idempotencyKey: 'mine' })
    const losesAnswers: EventSink & Pick<EventSource, 'read'> = {
      async append(...call) {
        await store.append(...call)
        throw new StoreUnavailable('lost', 'unknown')
      },
      read: store.read,
    }
    await expect(registration(losesAnswers)(request)).rejects.toMatchObject({ outcome: 'unknown' })
    expect(await register(request)).toMatchObject({ replayed: true })
    expect(await eventsOf(request)).toHaveLength(1)
  })
})

function aRequest(some: Partial<RegistrationRequest> = {}): RegistrationRequest {
  const email = `Ada-${randomUUID()}@Example.com`
  return {
    name: 'Ada',
    email,
    canonicalEmail: email.toLowerCase(),
    sent: { username: ' Ada', email },
    requestId: randomUUID(),
    idempotencyKey: undefined,
    ...some,
  }
}

async function eventsOf({ canonicalEmail }: RegistrationRequest): Promise<RecordedEvent[]> {
  const events: RecordedEvent[] = []
  for await (const event of store.read(`user-${canonicalEmail}`)) events.push(event)
  return events
}
