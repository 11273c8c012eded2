import { copyFileSync, readdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { anEmail, find, register, total } from '../support/api.ts'
import { eventOf, LOG_FILE, overwrite, writeLog } from '../support/log-files.ts'
import { rollbook, type Service, startNode, startService, temporaryDirectory, waitUntil } from '../support/processes.ts'

describe('rollbook node check', () => {
  it('says that a log is sound, beside the node that runs on it and without one', async () => {
    const dataDir = temporaryDirectory()
    const node = await startNode(dataDir)
    const live = rollbook(['node', 'check', '--data-dir', dataDir])
    expect(await live.ended, live.output()).toBe(0)
    expect(live.output()).toMatch(
      /^No damage: 1 events of 1 streams up to position 1, .*, a snapshot beside the node on 127/m,
    )
    node.process.kill('SIGTERM')
    await node.ended
    const stopped = rollbook(['node', 'check'], { DATA_DIR: dataDir })
    expect(await stopped.ended, stopped.output()).toBe(0)
    expect(stopped.output()).toMatch(/^100 %, 1 events.*\nNo damage: 1 events .*\/eventstore\.sqlite\n$/)
  })

  it('ends with 3 on damage, in the log or in a backup, and names it', async () => {
    const dataDir = temporaryDirectory()
    const file = writeLog(
      dataDir,
      Array.from({ length: 200 }, (_, at) => eventOf('s', at, 'x'.repeat(7_000))),
    )
    overwrite(file, Math.floor(statSync(file).size / 2) + 4_000, Buffer.from('damage'))
    for (const parameters of [['--data-dir', dataDir], [file]]) {
      const check = rollbook(['node', 'check', ...parameters])
      expect(await check.ended).toBe(3)
      expect(check.output()).toMatch(/^damage: the event at position \d+, .* checksum\nDAMAGED, 1 finding: 200 events/m)
    }
    const backup = rollbook(['node', 'backup', join(dataDir, 'backup'), '--data-dir', dataDir])
    expect(await backup.ended).toBe(3)
    expect(backup.output()).toMatch(/^rollbook: .*eventstore\.sqlite is damaged: the event at position/m)
    expect(readdirSync(dataDir)).not.toContain('backup')
    const nowhere = rollbook(['node', 'backup', join(dataDir, 'missing/backup'), '--data-dir', dataDir])
    expect(await nowhere.ended).toBe(1)
    expect(nowhere.output()).toMatch(/^rollbook: the backup needs a folder .*ENOENT.*missing/m)
  })

  it('ends with 1 where there is nothing to read, and makes nothing', async () => {
    const dataDir = temporaryDirectory()
    for (const parameters of [['check'], ['check', 'missing'], ['backup', 'copy']]) {
      const command = rollbook(['node', ...parameters], { DATA_DIR: dataDir })
      expect(await command.ended).toBe(1)
      expect(command.output()).toMatch(/^rollbook: there is no \/.*\n$/)
    }
    const folder = rollbook(['node', 'check', dataDir])
    expect(await folder.ended).toBe(1)
    expect(folder.output()).toBe(`rollbook: ${dataDir} is a folder: give --data-dir for the log in it\n`)
    expect(readdirSync(dataDir)).toEqual([])
  })
})

describe('rollbook node backup', () => {
  it('restores a service to what it was, and the read model that is ahead is refused until a rebuild', async () => {
    const DATA_DIR = temporaryDirectory()
    const backup = join(temporaryDirectory(), 'backup.sqlite')
    const service = await startService({ DATA_DIR })
    const kept = anEmail()
    const lost = anEmail()
    await register(service.url, kept)
    const command = rollbook(['node', 'backup', backup], { DATA_DIR })
    expect(await command.ended, command.output()).toBe(0)
    expect(command.output()).toMatch(
      /^Backed up and verified 2 events of 2 streams up to position 2: .*backup\.sqlite$/m,
    )
    const again = rollbook(['node', 'backup', backup], { DATA_DIR })
    expect(await again.ended).toBe(1)
    expect(again.output()).toMatch(/exists: a backup does not replace a file/)
    await register(service.url, lost)
    await waitUntil(async () => (await total(service.url)) === 2, 'both users to be listed')
    await stop(service)

    for (const name of readdirSync(DATA_DIR)) if (name.startsWith('eventstore.')) rmSync(join(DATA_DIR, name))
    copyFileSync(backup, join(DATA_DIR, LOG_FILE))
    const restored = await startService({ DATA_DIR }, 'listening')
    await waitUntil(async () => (await readiness(restored)).includes('restored or replaced'), 'the restore to be told')
    expect((await fetch(`${restored.url}/users`)).status).toBe(503)
    await waitUntil(() => restored.output().includes('restored or replaced'), 'the restore in the log')
    const rebuild = rollbook(['rebuild'], { DATA_DIR })
    expect(await rebuild.ended, rebuild.output()).toBe(0)
    await waitUntil(async () => (await fetch(`${restored.url}/health/ready`)).ok, 'it to be ready')
    expect(await total(restored.url)).toBe(1)
    expect(await find(restored.url, kept)).toHaveLength(1)
    expect((await register(restored.url, lost)).status).toBe(201)
    await stop(restored)
  })
})

const readiness = async ({ url }: Service): Promise<string> => (await fetch(`${url}/health/ready`)).text()

async function stop(service: Service): Promise<void> {
  service.process.kill('SIGTERM')
  expect(await service.ended, service.output()).toBe(0)
}
