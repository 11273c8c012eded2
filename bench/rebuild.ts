import { EventStoreDBClient, streamNameFilter } from '@eventstore/db-client'
import { appendRegistrations } from './events.ts'
import { compare, count, median, reportComparison } from './figures.ts'
import { residentMemory, start, startStore, temporaryDirectory } from './processes.ts'

/** Rebuilds of so many events against draining them from $all with the bare client. */
export async function rebuild(rounds: number, events: number): Promise<void> {
  const store = await filledStore(events)
  const client = EventStoreDBClient.connectionString(store.url)
  const dataDir = temporaryDirectory()
  const comparison = await compare(
    rounds,
    async () => events / (await secondsOf(() => rebuildOnce(store.url, dataDir))),
    async () => events / (await secondsOf(() => drain(client, events))),
  )
  reportComparison(`rebuild of ${count(events)} events, process start included`, 'bare drain of $all', comparison, 0.8)
  await client.dispose()
  await store.stop()
}

/** Resident memory of the process that rebuilds so many events. */
export async function memory(events: number): Promise<void> {
  const store = await filledStore(events)
  const samples: number[] = []
  await rebuildOnce(store.url, temporaryDirectory(), (mebibytes) => samples.push(mebibytes))
  const half = Math.floor(samples.length / 2)
  const halves = [median(samples.slice(0, half)), median(samples.slice(half))].map(count).join(' and ')
  const most = count(Math.max(...samples))
  console.log(
    `rebuild of ${count(events)} events: ${most} MiB resident at most (aim 256), medians of its halves ${halves}`,
  )
  await store.stop()
}

export async function filledStore(events: number): Promise<{ url: string; stop(): Promise<void> }> {
  const store = await startStore()
  const client = EventStoreDBClient.connectionString(store.url)
  await appendRegistrations(client, events, 256, 'user')
  await client.dispose()
  return store
}

async function rebuildOnce(url: string, dataDir: string, sample?: (mebibytes: number) => void): Promise<void> {
  const running = await start(['rebuild'], { EVENTSTORE_URL: url, DATA_DIR: dataDir })
  const sampling = setInterval(() => {
    const mebibytes = residentMemory(running)
    if (mebibytes) sample?.(mebibytes)
  }, 100)
  const code = await new Promise((resolve) => running.process.once('exit', resolve))
  clearInterval(sampling)
  if (code !== 0) throw new Error(`rebuild ended with exit code ${code}`)
}

async function drain(client: EventStoreDBClient, events: number): Promise<void> {
  const subscription = client.subscribeToAll({ filter: streamNameFilter({ prefixes: ['user-'] }) })
  let left = events
  for await (const _ of subscription) if (--left === 0) break
  await subscription.unsubscribe()
}

async function secondsOf(task: () => Promise<void>): Promise<number> {
  const started = performance.now()
  await task()
  return (performance.now() - started) / 1_000
}
