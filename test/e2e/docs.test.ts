import { describe, expect, it } from 'vitest'
import { startService, temporaryDirectory } from '../support/processes.ts'

describe('the page of the API reference', () => {
  it('has everything from the service itself, and lets nothing else in', async () => {
    const { url } = await startService({ DATA_DIR: temporaryDirectory() }, 'listening')
    const response = await fetch(`${url}/docs`)
    expect(response.headers.get('Content-Type')).toMatch(/^text\/html/)
    expect(response.headers.get('Content-Security-Policy')).toMatch(
      /^default-src 'none'; script-src 'self'; style-src 'self';/,
    )
    const page = await response.text()
    const links = [...page.matchAll(/(?:src|href)="(?!data:)([^"]+)"/g)].map(([, link]) => link ?? '')
    expect(links).toHaveLength(3)
    for (const link of links) {
      expect(link).toMatch(/^\/docs\//)
      const asset = await fetch(url + link)
      expect(asset.status, link).toBe(200)
      expect(asset.headers.get('Content-Type')).toMatch(link.endsWith('.css') ? /^text\/css/ : /^text\/javascript/)
      expect((await asset.arrayBuffer()).byteLength).toBeGreaterThan(100)
    }
  })
})
