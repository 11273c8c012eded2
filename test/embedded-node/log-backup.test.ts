import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, existsSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { EventStoreDBClient, jsonEvent } from '@eventstore/db-client'
import { describe, expect, test } from 'vitest'
import { CorruptLog } from '../../src/embedded-node/errors.ts'
import { Log } from '../../src/embedded-node/log.ts'
import { BackupExists, backupLog } from '../../src/embedded-node/log-backup.ts'
import { checkLog } from '../../src/embedded-node/log-check.ts'
import { eventually } from '../support/eventually.ts'
import { contents, crashLog, eventOf, LOG_FILE, overwrite, writeLog } from '../support/log-files.ts'
import { startNodeProcess } from '../support/node-process.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

/** A log of some pages more than one step of a backup has. */
function soundLog(): string {
  return writeLog(
    temporaryFolder(),
    Array.from({ length: 1_000 }, (_, at) => eventOf('s', at, 'x'.repeat(7_000))),
  )
}

const eventsIn = (dataDir: string): number => {
  const log = new Log(dataDir)
  const last = log.lastRevision('s')
  log.close()
  return last + 1
}

describe('a backup', () => {
  test('of a log that no node runs on is one file with all of it, and leaves the log as it is', async () => {
    const file = soundLog()
    const before = contents(dirname(file))
    const target = join(temporaryFolder(), 'backup.sqlite')
    const reports: number[] = []
    const found = await backupLog(file, target, { onProgress: ({ fraction }) => reports.push(fraction) })
    expect(found).toMatchObject({ events: 1_000, damages: [] })
    expect(reports.at(-1)).toBe(1)
    expect(reports).toEqual([...reports].sort((a, b) => a - b))
    expect(readdirSync(dirname(target))).toEqual(['backup.sqlite'])
    expect(await checkLog(target, { isLive: false })).toEqual(found)
    expect(readdirSync(dirname(target))).toEqual(['backup.sqlite'])
    expect(contents(dirname(file))).toEqual(before)
  })

  test('has what a node that was killed has left in its write-ahead log', async () => {
    const file = crashLog(temporaryFolder(), temporaryFolder(), [eventOf('s', 0)], [eventOf('s', 1)])
    const target = join(temporaryFolder(), LOG_FILE)
    await backupLog(file, target)
    expect(eventsIn(dirname(target))).toBe(2)
  })

  test('taken while a node runs and appends go on has all that was acknowledged before, and a prefix of the rest', async () => {
    const dataDir = temporaryFolder()
    writeLog(
      dataDir,
      Array.from({ length: 3_000 }, (_, at) => eventOf('old', at, 'x'.repeat(7_000))),
    )
    const node = await startNodeProcess(dataDir)
    const client = EventStoreDBClient.connectionString(`esdb://${node.address}?tls=false`)
    const appended = { count: 0, stop: false }
    const appending = Array.from({ length: 8 }, async () => {
      while (!appended.stop) {
        await client.appendToStream('s', jsonEvent({ type: 't', data: { filling: 'x'.repeat(500) } }))
        appended.count++
      }
    })
    await eventually(() => appended.count > 100, 'appends go on')
    const before = appended.count
    const target = join(temporaryFolder(), LOG_FILE)
    let during = before
    const reports: number[] = []
    const found = await backupLog(join(dataDir, LOG_FILE), target, {
      onProgress: ({ fraction }) => {
        during = appended.count
        reports.push(fraction)
      },
    })
    appended.stop = true
    await Promise.all(appending)
    const live = await checkLog(join(dataDir, LOG_FILE), { isLive: true })
    await client.dispose()
    await node.kill()
    expect(during).toBeGreaterThan(before)
    // It never began again.
    expect(reports).toEqual([...reports].sort((a, b) => a - b))
    expect(live).toMatchObject({ damages: [], warnings: [], events: appended.count + 3_000 })
    expect(found.events - 3_000).toBeGreaterThanOrEqual(before)
    expect(eventsIn(dirname(target))).toBe(found.events - 3_000)
  })

  test('does not replace a file', async () => {
    const target = join(temporaryFolder(), 'precious')
    writeFileSync(target, 'mine')
    await expect(backupLog(soundLog(), target)).rejects.toBeInstanceOf(BackupExists)
    expect(contents(dirname(target))).toEqual({ precious: expect.any(String) })
    expect(statSync(target).size).toBe(4)
  })

  test('of a damaged log is refused, and leaves nothing', async () => {
    const file = soundLog()
    overwrite(file, Math.floor(statSync(file).size / 2) + 4_000, Buffer.from('damage'))
    const target = join(temporaryFolder(), 'backup.sqlite')
    await expect(backupLog(file, target)).rejects.toMatchObject({
      name: 'CorruptLog',
      detail: expect.stringMatching(/checksum/),
    })
    const crashed = crashLog(temporaryFolder(), temporaryFolder(), ...[0, 1, 2, 3].map((at) => [eventOf('s', at)]))
    overwrite(`${crashed}-wal`, 100, Buffer.from('damage'))
    await expect(backupLog(crashed, target)).rejects.toBeInstanceOf(CorruptLog)
    expect(readdirSync(dirname(target))).toEqual([])
  })

  test('that is interrupted leaves nothing', async () => {
    const target = join(temporaryFolder(), 'backup.sqlite')
    const stop = new AbortController()
    const onProgress = ({ fraction }: { fraction: number }) => fraction > 0.2 && stop.abort(new Error('interrupted'))
    await expect(backupLog(soundLog(), target, { onProgress, signal: stop.signal })).rejects.toThrow('interrupted')
    expect(readdirSync(dirname(target))).toEqual([])
  })

  test('that is killed leaves no file of its name', async () => {
    const file = soundLog()
    const target = join(temporaryFolder(), 'backup.sqlite')
    const module = new URL('../../dist/src/embedded-node/log-backup.js', import.meta.url).href
    const program = `
      const { backupLog } = await import(${JSON.stringify(module)})
      const onProgress = ({ fraction }) => { if (fraction > 0.3) process.kill(process.pid, 'SIGKILL') }
      await backupLog(${JSON.stringify(file)}, ${JSON.stringify(target)}, { onProgress })
    `
    const child = spawn(process.execPath, ['--input-type=module', '-e', program])
    expect((await once(child, 'exit'))[1]).toBe('SIGKILL')
    expect(existsSync(target)).toBe(false)
    expect(readdirSync(dirname(target))).not.toEqual([])
    await backupLog(file, target)
    expect(existsSync(target)).toBe(true)
  })
})

describe('a restored backup', () => {
  test('beside the write-ahead log of the log that it replaces is refused, and neither is touched', async () => {
    const file = crashLog(temporaryFolder(), temporaryFolder(), [eventOf('s', 0)], [eventOf('s', 1)])
    const backup = join(temporaryFolder(), 'backup.sqlite')
    await backupLog(file, backup)
    copyFileSync(backup, file)
    const before = contents(dirname(file))
    expect(() => new Log(dirname(file))).toThrow(/-wal is damaged: it belongs to another log/)
    expect((await checkLog(file, { isLive: false })).damages).toContainEqual(expect.stringMatching(/another log/))
    expect(contents(dirname(file))).toMatchObject(before)
  })
})
