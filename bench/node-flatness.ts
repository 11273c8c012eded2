import { rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { BACKWARDS, EventStoreDBClient, streamNameFilter } from '@eventstore/db-client'
import { appendRegistration } from './events.ts'
import { count, median, p99 } from './figures.ts'
import { buildLog, COMMON, RARE, streamOf } from './node-logs.ts'
import { processorTime, residentMemory, temporaryDirectory } from './processes.ts'
import { startToFirstAppend } from './store-process.ts'

/**
 * The same calls of a bare client against logs of different sizes: median and 99th percentile, and time on the node's
 * processors for each call, in milliseconds.
 */
export async function flatness(sizes: readonly number[], samples: number): Promise<void> {
  const rows = new Map<string, string[]>()
  const add = (row: string, cell: string): void => void rows.set(row, [...(rows.get(row) ?? []), cell])
  for (const size of sizes) {
    const dataDir = temporaryDirectory()
    const started = performance.now()
    buildLog(dataDir, size)
    add('log built without a server, s', seconds(started))
    add('file, MiB', count(statSync(join(dataDir, 'eventstore.sqlite')).size / 2 ** 20))
    const { seconds: toFirstAppend, store } = await startToFirstAppend(dataDir, (url) => appendFirst(url))
    add('start to first append, s', toFirstAppend.toFixed(2))
    const client = EventStoreDBClient.connectionString(store.url)
    for (const [name, call] of calls(client, size)) {
      for (let warmUp = 0; warmUp < samples / 4; warmUp++) await call(`warm${warmUp}`)
      const times: number[] = []
      const spent = processorTime(store)
      for (let sample = 0; sample < samples; sample++) {
        const before = performance.now()
        await call(`measured${sample}`)
        times.push(performance.now() - before)
      }
      const cpu = (processorTime(store) - spent) / samples
      add(name, `${median(times).toFixed(2)} / ${p99(times).toFixed(2)}, ${cpu.toFixed(2)}`)
    }
    add('resident memory of the node, MiB', count(residentMemory(store) ?? Number.NaN))
    await client.dispose()
    await store.stop()
    rmSync(dataDir, { recursive: true })
  }
  console.log(`\n| p50 / p99, processor, in ms | ${sizes.map((size) => `${count(size)} events`).join(' | ')} |`)
  console.log(`| --- |${' --- |'.repeat(sizes.length)}`)
  for (const [row, cells] of rows) console.log(`| ${row} | ${cells.join(' | ')} |`)
}

const PAGE = 100

function calls(client: EventStoreDBClient, size: number): [string, (name: string) => Promise<void>][] {
  const position = () => {
    const at = BigInt(1 + Math.floor(Math.random() * size * 0.85))
    return { commit: at, prepare: at }
  }
  const all = (direction?: typeof BACKWARDS) => async () => {
    let read = 0
    const options = { fromPosition: position(), maxCount: PAGE, ...(direction !== undefined && { direction }) }
    for await (const _ of client.readAll(options)) read++
    // Near the beginning there are fewer before it.
    if (read !== PAGE && direction === undefined) throw new Error(`read ${read} events`)
  }
  const filtered = (prefix: string, events: number) => async () => {
    const filter = streamNameFilter({ prefixes: [prefix] })
    const subscription = client.subscribeToAll({ fromPosition: position(), filter })
    let left = events
    for await (const _ of subscription) if (--left <= 0) break
    await subscription.unsubscribe()
  }
  return [
    ['append', (name) => appendRegistration(client, `${name}-${Math.random()}`)],
    [
      '64 appends at once',
      async (name) => {
        await Promise.all(
          Array.from({ length: 64 }, (_, at) => appendRegistration(client, `${name}-${at}-${Math.random()}`)),
        )
      },
    ],
    [
      'read of a stream',
      async () => {
        const events = client.readStream(streamOf(Math.floor(Math.random() * size)))
        for await (const _ of events);
      },
    ],
    [`$all from a random position, ${PAGE} events`, all()],
    ['the same, backwards', all(BACKWARDS)],
    [`filtered $all, 1 event in ${COMMON.every} passes, ${PAGE} events`, filtered(COMMON.prefix, PAGE)],
    [`filtered $all, 1 event in ${count(RARE.every)} passes, 1 event`, filtered(RARE.prefix, 1)],
  ]
}

async function appendFirst(url: string): Promise<void> {
  const client = EventStoreDBClient.connectionString(url)
  await appendRegistration(client, `first-${Math.random()}`)
  await client.dispose()
}

const seconds = (since: number): string => ((performance.now() - since) / 1_000).toFixed(1)
