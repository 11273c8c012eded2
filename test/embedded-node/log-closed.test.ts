import { randomUUID } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { Committer } from '../../src/embedded-node/commit.ts'
import { Any } from '../../src/embedded-node/decide.ts'
import { LogClosed } from '../../src/embedded-node/errors.ts'
import { Log } from '../../src/embedded-node/log.ts'
import { openLogFile } from '../../src/embedded-node/log-file.ts'
import { RecentIds } from '../../src/embedded-node/recent-ids.ts'
import { Scavenger } from '../../src/embedded-node/scavenger.ts'
import { Streams } from '../../src/embedded-node/stream-state.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

test('a log that cannot be opened again after it was replaced says so', () => {
  const dataDir = temporaryFolder()
  const file = openLogFile(dataDir)
  onTestFinished(() => file.close())
  const draft = join(dataDir, 'draft')
  writeFileSync(draft, 'no database'.repeat(1_000))
  expect(() => file.replaceBy(draft)).toThrow(LogClosed)
})

/** A log whose copy cannot be opened. */
class Unlucky extends Log {
  override rewrite(): Promise<void> {
    return Promise.reject(new LogClosed(this.path, new Error('too many open files')))
  }
}

test('a scavenge that meets that does not go on without a log', async () => {
  const log = new Unlucky(temporaryFolder())
  const streams = new Streams(log)
  const committer = new Committer(log, streams, new RecentIds(log), () => {})
  onTestFinished(() => {
    committer.stop()
    log.close()
  })
  const append = (stream: string, type: string, data: Buffer) =>
    new Promise((answer) => {
      const event = { id: randomUUID(), type, json: true, metadata: Buffer.alloc(0), data }
      committer.writeForClient({ kind: 'append', stream, expected: Any, events: [event], answer })
    })
  for (let left = 50; left > 0; left--) await append('s', 't', Buffer.alloc(10_000))
  await append('$$s', '$metadata', Buffer.from('{"$maxCount":1}'))
  const told = await new Promise((resolve) => {
    new Scavenger(log, streams, committer, () => '', resolve).start()
  })
  expect(told).toBeInstanceOf(LogClosed)
  const history = log.streamForwards('$scavenges', 0, 10).events
  expect(history).toHaveLength(1)
})
