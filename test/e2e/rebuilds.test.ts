import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { anEmail, find, register, total } from '../support/api.ts'
import { rollbook, startService, temporaryDirectory, waitUntil } from '../support/processes.ts'

describe('a rebuild beside a service under load', () => {
  it('fails no query, takes nothing back, and loses nothing', { timeout: 120_000 }, async () => {
    const DATA_DIR = temporaryDirectory()
    const service = await startService({ DATA_DIR })
    const confirmed: string[] = []
    let isLoaded = true
    const writers = Array.from({ length: 4 }, async () => {
      while (isLoaded) {
        const email = anEmail()
        expect((await register(service.url, email)).status).toBe(201)
        confirmed.push(email)
      }
    })
    let seen = 0
    const readers = Array.from({ length: 2 }, async () => {
      while (isLoaded) {
        const least = seen
        const now = await total(service.url)
        expect(now).toBeGreaterThanOrEqual(least)
        seen = Math.max(seen, now)
      }
    })
    await waitUntil(() => confirmed.length > 300, 'some users')

    for (let round = 1; round <= 3; round++) {
      const rebuild = rollbook(['rebuild'], { DATA_DIR })
      expect(await rebuild.ended, rebuild.output()).toBe(0)
      await waitUntil(() => timesServed(service.output()) === round + 1, 'the new file to be taken up')
    }
    const killed = rollbook(['rebuild'], { DATA_DIR })
    await waitUntil(() => databases(DATA_DIR).length > 1 || killed.process.exitCode !== null, 'a file to be begun')
    killed.process.kill('SIGKILL')
    await killed.ended

    isLoaded = false
    await Promise.all([...writers, ...readers])
    await waitUntil(async () => (await total(service.url)) === confirmed.length, 'all to be listed')
    for (const email of confirmed.filter((_, index) => index % 50 === 0)) {
      expect(await find(service.url, email)).toHaveLength(1)
    }
    const last = rollbook(['rebuild'], { DATA_DIR })
    expect(await last.ended, last.output()).toBe(0)
    await waitUntil(() => databases(DATA_DIR).length === 1, 'old files to be removed')
    const verified = rollbook(['verify'], { DATA_DIR })
    expect(await verified.ended, verified.output()).toBe(0)
  })

  it('is refused while another one runs', async () => {
    const DATA_DIR = temporaryDirectory()
    await startService({ DATA_DIR })
    const rebuilds = Array.from({ length: 4 }, () => rollbook(['rebuild'], { DATA_DIR }))
    const codes = await Promise.all(rebuilds.map(({ ended }) => ended))
    expect(codes).toContain(0)
    for (const [index, rebuild] of rebuilds.entries()) {
      if (codes[index] !== 0)
        expect(rebuild.output()).toMatch(/^rollbook: a read model is being built in .* already\n$/)
    }
  })
})

const timesServed = (output: string) => output.split('read model is served').length - 1

const databases = (dataDir: string) =>
  readdirSync(join(dataDir, 'read-model')).filter((name) => /^\d+\.sqlite$/.test(name))
