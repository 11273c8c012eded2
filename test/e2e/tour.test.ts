import { describe, expect, it } from 'vitest'
import { anEmail, find, register, total } from '../support/api.ts'
import { printed, rollbook, startService, temporaryDirectory, waitUntil } from '../support/processes.ts'

describe('the service on its embedded node', () => {
  it('registers, lists, keeps everything through a stop and a kill, and rebuilds while it serves', async () => {
    const DATA_DIR = temporaryDirectory()
    const emails = Array.from({ length: 20 }, anEmail)
    const first = await startService({ DATA_DIR })
    for (const email of emails) expect((await register(first.url, email)).status).toBe(201)
    expect((await register(first.url, emails[0] ?? '')).status).toBe(409)
    first.process.kill('SIGTERM')
    expect(await first.ended).toBe(0)

    const second = await startService({ DATA_DIR })
    expect(await total(second.url)).toBe(20)
    second.process.kill('SIGKILL')
    await second.ended

    const third = await startService({ DATA_DIR })
    expect(await total(third.url)).toBe(20)
    const rebuild = rollbook(['rebuild'], { DATA_DIR })
    expect(await rebuild.ended, rebuild.output()).toBe(0)
    await waitUntil(() => third.output().split('read model is served').length === 3, 'the new file to be taken up')
    for (const email of emails) expect(await find(third.url, email)).toHaveLength(1)
    expect(await total(third.url)).toBe(20)
    expect((await register(third.url, emails[19] ?? '')).status).toBe(409)

    for (const command of ['status', 'verify']) {
      const checked = rollbook([command], { DATA_DIR })
      expect(await checked.ended, checked.output()).toBe(0)
    }
  })

  it('answers a query that carries the token of a command with what the command did', async () => {
    const { url } = await startService({ DATA_DIR: temporaryDirectory() })
    for (let round = 0; round < 50; round++) {
      const email = anEmail()
      const token = (await register(url, email)).headers.get('consistency-token') ?? ''
      expect(await find(url, email, { 'consistency-token': token })).toMatchObject([{ email }])
    }
  })

  it('refuses a second service on the same data directory, naming the log and who has it', async () => {
    const DATA_DIR = temporaryDirectory()
    await startService({ DATA_DIR })
    const second = rollbook(['serve'], { DATA_DIR })
    expect(await second.ended).toBe(11)
    expect(second.output()).toMatch(
      /^rollbook: .*eventstore\.sqlite is in use by another node.*127\.0\.0\.1:\d+\nhint: .*\n$/,
    )
  })

  it('names a port that is taken', async () => {
    const { url } = await startService({ DATA_DIR: temporaryDirectory() })
    const second = rollbook(['serve'], { DATA_DIR: temporaryDirectory(), PORT: new URL(url).port })
    expect(await second.ended).toBe(10)
    expect(second.output()).toContain(`port ${new URL(url).port} of 127.0.0.1 is in use`)
  })

  it('serves its event store to other processes', async () => {
    const service = await startService({ DATA_DIR: temporaryDirectory() })
    const store = await printed(service, /Event store: (esdb:\/\/[^\s"]+)/)
    const other = await startService({ DATA_DIR: temporaryDirectory(), EVENTSTORE_URL: store })
    const email = anEmail()
    expect((await register(other.url, email)).status).toBe(201)
    expect((await register(service.url, email)).status).toBe(409)
  })
})
