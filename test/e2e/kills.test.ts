import { describe, expect, it } from 'vitest'
import { anEmail, find, register, total } from '../support/api.ts'
import { type Service, startService, temporaryDirectory } from '../support/processes.ts'

const KILLS = 20

describe('a service that is killed under load', () => {
  it(`has every registration that it confirmed, once, after ${KILLS} kills`, { timeout: 180_000 }, async () => {
    const DATA_DIR = temporaryDirectory()
    const confirmed: string[] = []
    const unknown: string[] = []
    for (let kill = 0; kill < KILLS; kill++) {
      const service = await startService({ DATA_DIR })
      await loadUntilKilled(service, 5 + Math.random() * 200, confirmed, unknown)
    }
    const { url } = await startService({ DATA_DIR })
    for (const email of confirmed) expect(await find(url, email), email).toHaveLength(1)
    const found = await Promise.all(unknown.map((email) => find(url, email)))
    expect(await total(url)).toBe(confirmed.length + found.flat().length)
    for (const email of [...confirmed.slice(0, 5), ...unknown.slice(0, 5)]) {
      const { status } = await register(url, email)
      const isThere = confirmed.includes(email) || found[unknown.indexOf(email)]?.length === 1
      expect(status).toBe(isThere ? 409 : 201)
    }
    expect(confirmed.length).toBeGreaterThan(KILLS)
  })
})

/** Registers with eight clients at once until the service dies, which it does after so many answers. */
async function loadUntilKilled(service: Service, answers: number, confirmed: string[], unknown: string[]) {
  let left = answers
  const client = async () => {
    for (;;) {
      const email = anEmail()
      try {
        const { status } = await register(service.url, email)
        if (status !== 201) throw new Error(`answered ${status}`)
        confirmed.push(email)
      } catch {
        unknown.push(email)
        return
      }
      if (--left < 0) service.process.kill('SIGKILL')
    }
  }
  await Promise.all(Array.from({ length: 8 }, client))
  expect(await service.ended).toBe('SIGKILL')
}
