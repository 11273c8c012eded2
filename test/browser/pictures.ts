import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import {
  EventStoreDBClient,
  jsonEvent,
  persistentSubscriptionToStreamSettingsFromDefaults,
} from '@eventstore/db-client'
import type { Page } from 'playwright-core'
import { printed, run, waitUntil } from '../faults/processes.ts'
import { launch } from './browser-process.ts'

type Picture = readonly [name: string, path: string, prepare?: (page: Page) => Promise<void>]

const pictures: readonly Picture[] = [
  ['docs', '/docs', (page) => page.locator('.opblock').first().waitFor()],
  ['inspector-streams', '/inspector'],
  [
    'inspector-stream',
    '/inspector/stream?name=%24ce-user',
    async (page) => {
      await page.getByText('Row of').first().click()
      await page.evaluate('scrollTo(0, 0)')
    },
  ],
  ['inspector-all', '/inspector/all', (page) => page.getByText('Live', { exact: true }).waitFor()],
  ['inspector-read-model', '/inspector/read-model'],
]

const inDark = ['inspector-streams', 'inspector-stream']

/** Makes the pictures of the documentation from the pages of a running service, with some data of its own. */
const folder = resolve('docs/pictures')
const DATA_DIR = mkdtempSync(join(tmpdir(), 'rollbook-pictures-'))
const service = run(['serve'], { DATA_DIR })
const browser = await launch()
try {
  const url = await printed(service, /API: (http:\/\/[^\s"]+)/)
  const store = await printed(service, /Event store: (esdb:\/\/[^\s"]+)/)
  await waitUntil(async () => (await fetch(`${url}/health/ready`)).ok, 'the service to be ready')
  await fill(url, store)
  mkdirSync(folder, { recursive: true })
  for (const colorScheme of ['light', 'dark'] as const) {
    const viewport = { width: 1200, height: 800 }
    const page = await (await browser.newContext({ colorScheme, viewport, deviceScaleFactor: 1 })).newPage()
    for (const [name, path, prepare] of pictures) {
      if (colorScheme === 'dark' && !inDark.includes(name)) continue
      await page.goto(url + path)
      await prepare?.(page)
      await page.screenshot({ path: join(folder, `${name}-${colorScheme}.png`) })
    }
  }
} finally {
  await browser.close()
  service.process.kill('SIGTERM')
  await service.ended
  rmSync(DATA_DIR, { recursive: true, force: true })
}

async function fill(url: string, store: string): Promise<void> {
  const client = EventStoreDBClient.connectionString(store)
  const register = (username: string) => {
    const email = `${username.split(' ')[0]?.toLowerCase()}@example.com`
    return post(`${url}/user/registration`, { username, email })
  }
  for (const name of ['Ada Lovelace', 'Grace Hopper', 'Barbara Liskov', 'Edsger Dijkstra']) await register(name)
  await client.appendToStream('user-imported@example.com', [
    jsonEvent({ type: 'UserRegistered', data: { id: 'user-7', name: 'Somebody' }, metadata: { writer: 'import' } }),
    jsonEvent({ type: 'UserRenamed', data: { name: 'Somebody Else' } }),
  ])
  for (const text of ['Read the log', 'Write a projection', 'Replay it']) {
    await post(`${url}/graphql`, { query: `mutation { newTodo(text: "${text}") { id } }` })
  }
  for (const name of ['Leslie Lamport', 'Frances Allen']) await register(name)
  await client.createPersistentSubscriptionToStream(
    '$ce-user',
    'newsletter',
    persistentSubscriptionToStreamSettingsFromDefaults(),
  )
  await client.dispose()
  await waitUntil(async () => {
    const page = await (await fetch(`${url}/inspector/read-model`)).text()
    return page.includes('UserRenamed')
  }, 'the events to be parked')
}

async function post(url: string, body: unknown): Promise<void> {
  const headers = { 'Content-Type': 'application/json' }
  const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) })
  if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`)
}
