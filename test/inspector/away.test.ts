import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { jsonEvent } from '@eventstore/db-client'
import { afterAll, describe, expect, it } from 'vitest'
import { startNode } from '../support/embedded-node.ts'
import { eventually } from '../support/eventually.ts'
import { startInspected } from './service.ts'

const dataDir = mkdtempSync(join(tmpdir(), 'rollbook-inspector-away-'))
afterAll(() => rmSync(dataDir, { recursive: true, force: true }))

const page = async (url: string) => {
  const response = await fetch(url)
  return { status: response.status, headers: response.headers, text: await response.text() }
}

describe('while the event store is away', async () => {
  const node = await startNode({ dataDir, port: 0 })
  const { url, client } = await startInspected({ EVENTSTORE_URL: `esdb://${node.address}?tls=false` })
  await client.appendToStream('user-broken@example.com', [jsonEvent({ type: 'UserRegistered', data: {} })])
  await eventually(async () => (await page(`${url}/inspector/read-model`)).text.includes('broken'), 'it to be parked')
  await node.close()

  it.each(['', '?q=x', '/stream?name=x', '/event?stream=x&number=1', '/all', '/groups'])(
    '/inspector%s is a page that says so',
    async (path) => {
      const { status, headers, text } = await page(`${url}/inspector${path}`)
      expect(status).toBe(503)
      expect(headers.get('Content-Type')).toMatch(/^text\/html/)
      expect(headers.get('Retry-After')).toBe('2')
      expect(text).toContain('The event store is away')
    },
  )

  it('the read model is shown, with what is parked', async () => {
    const { status, text } = await page(`${url}/inspector/read-model`)
    expect(status).toBe(200)
    expect(text).toContain('user-broken@example.com')
    expect(text).toContain('the event store does not say')
  })
})

describe('while there is no read model', async () => {
  const { url } = await startInspected({ EVENTSTORE_URL: 'esdb://127.0.0.1:1?tls=false' })

  it('the page says that it is not ready, and nothing can be replayed', async () => {
    const { status, text } = await page(`${url}/inspector/read-model`)
    expect(status).toBe(200)
    expect(text).toContain('The read model is not ready')
    expect(text).not.toContain('<form')
  })
})
