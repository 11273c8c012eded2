import { readFileSync } from 'node:fs'
import { EventStoreDBClient } from '@eventstore/db-client'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { eventStoreUrl } from '../support/event-store.ts'
import { recording } from './operations.ts'
import { comparable, replay } from './replay.ts'

// One client for all: a broken batch call of one client rejects the appends of every client in its process.
let client: EventStoreDBClient

beforeAll(async () => {
  client = EventStoreDBClient.connectionString(await eventStoreUrl())
})

afterAll(() => client.dispose())

describe.each(['scripted', 'random', 'persistent'])('an event store answers as the real one did: %s.json', (name) => {
  const { scenarios } = recording.parse(JSON.parse(readFileSync(new URL(`${name}.json`, import.meta.url), 'utf8')))

  test.concurrent.each(scenarios)('$name', async (scenario) => {
    const outcomes = await replay(client, scenario)
    for (const [index, { op, outcome }] of scenario.steps.entries()) {
      expect({ index, op, outcome: comparable(outcomes[index] ?? null) }).toEqual({
        index,
        op,
        outcome: comparable(outcome),
      })
    }
  })
})
