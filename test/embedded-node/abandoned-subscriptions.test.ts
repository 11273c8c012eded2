import { setTimeout as sleep } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { Canary } from './fuzz/canary.ts'
import { Connections, call, framed } from './fuzz/connection.ts'
import { PATHS, subscription } from './fuzz/messages.ts'
import { startTarget } from './fuzz/target.ts'

const CONNECTIONS = 40
const CALLS = 250
const MiB = 1024 * 1024
/** They take 25 to 50 KB each; without the garbage collector's help three rounds would take more. */
const MEMORY = 700 * MiB

test('10,000 subscriptions, opened and abandoned again and again, take a bounded memory', {
  timeout: 240_000,
}, async () => {
  const target = await startTarget(temporaryFolder())
  onTestFinished(async () => {
    await target.close()
  })
  const canary = new Canary(target.port)
  await canary.connected
  const [atRest, memoryAtRest] = [target.descriptors(), target.memory()]
  const peaks: number[] = []
  for (let round = 0; round < 3; round++) {
    const connections = new Connections(target.port)
    let answered = 0
    for (let index = 0; index < CONNECTIONS; index++) {
      const session = connections.http2()
      for (let calls = 0; calls < CALLS; calls++) {
        const stream = call(session, PATHS.read)
        stream.once('data', () => {
          answered++
          // Some go on to listen, some take nothing any longer.
          if (calls % 2 === 0) stream.pause()
        })
        stream.end(framed(subscription()))
      }
      await sleep(1)
    }
    await eventually(() => answered === CONNECTIONS * CALLS, 'all are confirmed', 60_000)
    peaks.push(target.memory())
    connections.closeAll()
    await eventually(() => target.descriptors() <= atRest, 'the connections are gone', 60_000)
  }
  const { appends, seen, slowestAppend } = await canary.stop()
  const grown = peaks.map((peak) => Math.round((peak - memoryAtRest) / MiB))
  process.stdout.write(
    `${CONNECTIONS * CALLS} subscriptions: +${grown.join(', +')} MiB; slowest append ${slowestAppend} ms\n`,
  )
  expect(Math.max(...peaks) - memoryAtRest).toBeLessThan(MEMORY)
  expect(seen).toHaveLength(appends)
  expect(slowestAppend).toBeLessThan(10_000)
  expect(target.complaints()).toBe('')
})
