import { randomUUID } from 'node:crypto'
import { type EventStoreDBClient, jsonEvent, NO_STREAM } from '@eventstore/db-client'
import { ulid } from 'ulid'

/** What the service itself appends for a registration. */
export function registration(email: string) {
  const id = randomUUID()
  return jsonEvent({
    type: 'UserRegistered',
    data: { id: ulid(), name: 'Ada Lovelace', email },
    metadata: { correlationId: id, causationId: id, schemaVersion: 1 },
  })
}

export async function appendRegistration(client: EventStoreDBClient, email: string): Promise<void> {
  await client.appendToStream(`user-${email}`, registration(email), { expectedRevision: NO_STREAM })
}

/** Registers so many users, with so many appends in flight. */
export async function appendRegistrations(
  client: EventStoreDBClient,
  count: number,
  inFlight: number,
  prefix: string,
): Promise<void> {
  let next = 0
  const worker = async () => {
    while (next < count) await appendRegistration(client, `${prefix}${next++}@example.com`)
  }
  await Promise.all(Array.from({ length: inFlight }, worker))
}
