import { readFileSync } from 'node:fs'
import { EventStoreDBClient } from '@eventstore/db-client'
import { afterAll, expect, test } from 'vitest'
import { eventStoreUrl } from '../support/event-store.ts'
import { readRecording, recordAnew, writeRecording } from './recording-file.ts'
import { comparable } from './replay.ts'

// One client for all: a broken batch call of one client rejects the appends of every client in its process.
const client = EventStoreDBClient.connectionString(await eventStoreUrl())

afterAll(() => client.dispose())

const textOf = (name: string): string => readFileSync(new URL(`${name}.json`, import.meta.url), 'utf8')

test.each(['scripted', 'random', 'persistent'])('a recording is written as it was read: %s.json', (name) => {
  expect(writeRecording(readRecording(textOf(name)))).toBe(textOf(name))
})

test.concurrent.each(['scripted', 'persistent'])(
  'a recording that is made anew is the same, but for what differs between servers: %s.json',
  async (name) => {
    const recorded = readRecording(textOf(name))
    const anew = await recordAnew(client, recorded)
    const compared = ({ scenarios, ...rest }: typeof recorded): typeof recorded => ({
      ...rest,
      scenarios: scenarios.map(({ name, steps }) => ({
        name,
        steps: steps.map(({ op, outcome }) => ({ op, outcome: comparable(outcome) })),
      })),
    })
    expect(writeRecording(compared(anew)).split('\n')).toEqual(writeRecording(compared(recorded)).split('\n'))
  },
  60_000,
)
