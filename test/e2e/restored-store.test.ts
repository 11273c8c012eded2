import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { anEmail, find, register, total } from '../support/api.ts'
import { rollbook, type Service, startNode, startService, temporaryDirectory, waitUntil } from '../support/processes.ts'

describe('a service whose event store was replaced by another one', () => {
  it('refuses queries, even when the new log is longer than the old one was, until a rebuild', async () => {
    const DATA_DIR = temporaryDirectory()
    await serveAndStop({ DATA_DIR }, async ({ url }) => {
      await registerSome(url, 3)
      await waitUntil(async () => (await total(url)) === 3, 'the users to be listed')
    })
    removeLog(DATA_DIR)
    await serveAndStop({ DATA_DIR }, async ({ url }) => {
      await refusesQueries(url)
      await registerSome(url, 8)
    })
    const { url } = await startService({ DATA_DIR }, 'listening')
    await refusesQueries(url)
    const status = rollbook(['status'], { DATA_DIR })
    expect(await status.ended).toBe(1)
    expect(status.output()).toMatch(/The event store was restored or replaced/)
    const rebuild = rollbook(['rebuild'], { DATA_DIR })
    expect(await rebuild.ended, rebuild.output()).toBe(0)
    await waitUntil(async () => (await fetch(`${url}/health/ready`)).ok, 'it to be ready')
    expect(await total(url)).toBe(8)
  })

  it('refuses queries when that happens under it', async () => {
    const log = temporaryDirectory()
    const node = await startNode(log)
    const service = await startService({ EVENTSTORE_URL: node.url, DATA_DIR: temporaryDirectory() })
    const known = anEmail()
    await register(service.url, known)
    await waitUntil(async () => (await find(service.url, known)).length === 1, 'the user to be listed')

    node.process.kill('SIGKILL')
    await node.ended
    await waitUntil(async () => !(await fetch(`${service.url}/health/ready`)).ok, 'it to be unready')
    removeLog(log)
    const other = await startNode(log)
    await serveAndStop({ EVENTSTORE_URL: other.url, DATA_DIR: temporaryDirectory() }, ({ url }) => registerSome(url, 8))
    other.process.kill('SIGKILL')
    await other.ended
    await startNode(log, Number(new URL(node.url.replace('esdb:', 'http:')).port))
    await refusesQueries(service.url)
  })
})

async function serveAndStop(environment: Record<string, string>, work: (service: Service) => Promise<void>) {
  const service = await startService(environment, 'listening')
  await work(service)
  service.process.kill('SIGTERM')
  expect(await service.ended, service.output()).toBe(0)
}

async function registerSome(url: string, count: number): Promise<void> {
  for (let user = 0; user < count; user++) expect((await register(url, anEmail())).status).toBe(201)
}

async function refusesQueries(url: string): Promise<void> {
  const isFailed = async () => (await (await fetch(`${url}/health/ready`)).text()).includes('restored or replaced')
  await waitUntil(isFailed, 'the store to be found out')
  expect((await fetch(`${url}/users`)).status).toBe(503)
}

function removeLog(dataDir: string): void {
  for (const name of readdirSync(dataDir)) if (name.startsWith('eventstore.')) rmSync(join(dataDir, name))
}
