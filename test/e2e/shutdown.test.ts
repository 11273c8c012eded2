import { request } from 'node:http'
import { describe, expect, it } from 'vitest'
import { anEmail, find, register } from '../support/api.ts'
import { rollbook, startService, temporaryDirectory, waitUntil } from '../support/processes.ts'

describe('a shutdown', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)('on %s answers what was accepted, then ends with 0', async (signal) => {
    const DATA_DIR = temporaryDirectory()
    // So many that none is refused because others take long.
    const service = await startService({ DATA_DIR, MAX_COMMANDS: '200' })
    const emails = Array.from({ length: 200 }, anEmail)
    const answers = emails.map(async (email) => ({ email, status: (await register(service.url, email)).status }))
    await Promise.race(answers)
    service.process.kill(signal)
    const started = performance.now()
    const outcomes = await Promise.allSettled(answers)
    expect(await service.ended).toBe(0)
    expect(performance.now() - started).toBeLessThan(10_000)

    const again = await startService({ DATA_DIR })
    const answered = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []))
    expect(answered.length).toBeGreaterThan(0)
    for (const { email, status } of answered) {
      expect(status).toBe(201)
      expect(await find(again.url, email)).toHaveLength(1)
    }
  })

  it.each([
    ['under npm, once npm has repeated the first', 'start', 400],
    ['otherwise', '', 0],
  ])('waits for a request whose body is still coming; a second signal ends it with 1 %s', async (_, script, echo) => {
    const service = await startService({ DATA_DIR: temporaryDirectory(), npm_lifecycle_event: script })
    const slow = request(`${service.url}/user/registration`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'content-length': '100' },
    })
    slow.on('error', () => undefined)
    slow.write('{')
    await waitUntil(() => slow.socket?.bytesWritten !== 0, 'the request to be sent')
    expect((await fetch(`${service.url}/health/live`)).ok).toBe(true)
    service.process.kill('SIGTERM')
    await waitUntil(() => service.output().includes('stopping'), 'the shutdown to begin')
    const began = performance.now()
    if (echo > 0) service.process.kill('SIGTERM')
    await waitUntil(() => performance.now() >= began + echo, 'npm to have repeated the signal')
    expect(service.process.exitCode).toBeNull()
    service.process.kill('SIGTERM')
    expect(await service.ended).toBe(1)
  })

  it('stops the embedded node alone, too', async () => {
    const node = rollbook(['node', '--data-dir', temporaryDirectory(), '--port', '0'])
    await waitUntil(() => node.output().includes('is up'), 'the node to listen')
    node.process.kill('SIGTERM')
    expect(await node.ended).toBe(0)
  })
})
