import { setTimeout as sleep } from 'node:timers/promises'
import { EventStoreDBClient, NO_STREAM, streamNameFilter } from '@eventstore/db-client'
import { appendRegistration, appendRegistrations, registration } from './events.ts'
import { count, median, p99 } from './figures.ts'
import { buildLog, COMMON } from './node-logs.ts'
import { residentMemory, temporaryDirectory } from './processes.ts'
import { type StoreProcess, startStoreProcess, startToFirstAppend } from './store-process.ts'

/** What a real EventStoreDB 23.10.6 did for the same client, on a machine with 2 cores such as this one. */
const REAL = {
  appends: new Map([
    [1, 411],
    [16, 1_295],
    [64, 2_672],
    [256, 4_366],
  ]),
  bulk: 30_730,
  drain: 35_600,
  deliveryP50: 1.4,
  deliveryP99: 10.8,
  start: 1.8,
  memoryIdle: 412,
  memoryUnderLoad: 460,
}

export interface NodeCounts {
  readonly rounds: number
  /** For each measurement of appends. */
  readonly seconds: number
  /** Drained, and in the log that a node starts on. */
  readonly events: number
  readonly deliveries: number
}

/** The embedded node in a process of its own against a bare client in this one. */
export async function node(counts: NodeCounts): Promise<void> {
  await appends(counts)
  await bulk(counts)
  await drains(counts)
  await deliveries(counts)
  await starts(counts)
}

async function appends({ rounds, seconds }: NodeCounts): Promise<void> {
  const store = await startStoreProcess()
  const client = EventStoreDBClient.connectionString(store.url)
  await appendRegistrations(client, 500, 64, 'warm-up')
  const idle = residentMemory(store)
  for (const [inFlight, real] of REAL.appends) {
    const rates: number[] = []
    const before = await store.statistics()
    for (let round = 0; round < rounds; round++) {
      rates.push(await appendRate(client, inFlight, seconds, `${inFlight}-${round}-`))
    }
    const after = await store.statistics()
    const commits = after.commits - before.commits
    const fsyncs = `${((after.events - before.events) / commits).toFixed(1)} events per fsync`
    const spent = `${(((after.commitSeconds - before.commitSeconds) / commits) * 1_000).toFixed(2)} ms each`
    report(`appends, ${inFlight} in flight`, '/s', median(rates), real, 1.5, `; ${fsyncs}, ${spent}`)
  }
  const underLoad = residentMemory(store)
  console.log(`resident memory: ${count(idle ?? 0)} MiB idle (aim 120; real server ${REAL.memoryIdle} MB)`)
  console.log(
    `resident memory: ${count(underLoad ?? 0)} MiB under load (aim 200; real server ${REAL.memoryUnderLoad} MB)`,
  )
  await close(client, store)
}

/** Appends a second. */
async function appendRate(
  client: EventStoreDBClient,
  inFlight: number,
  seconds: number,
  prefix: string,
): Promise<number> {
  const started = performance.now()
  const end = started + seconds * 1_000
  let next = 0
  const worker = async () => {
    while (performance.now() < end) await appendRegistration(client, `${prefix}${next++}@example.com`)
  }
  await Promise.all(Array.from({ length: inFlight }, worker))
  return next / ((performance.now() - started) / 1_000)
}

const BULK = 500
const BULKS_IN_FLIGHT = 4

/** In one round; made before it, because making them costs the client more than sending them. */
const BULKS = 160

async function bulk({ rounds }: NodeCounts): Promise<void> {
  const store = await startStoreProcess()
  const client = EventStoreDBClient.connectionString(store.url)
  const rates: number[] = []
  for (let round = 0; round <= rounds; round++) {
    const bulks = Array.from({ length: BULKS }, (_, at) =>
      Array.from({ length: BULK }, () => registration(`${at}@example.com`)),
    )
    const started = performance.now()
    let next = 0
    const worker = async () => {
      for (let at = next++; at < BULKS; at = next++) {
        await client.appendToStream(`bulk-${round}-${at}`, bulks[at] ?? [])
      }
    }
    await Promise.all(Array.from({ length: BULKS_IN_FLIGHT }, worker))
    // The first round warms up.
    if (round > 0) rates.push((BULKS * BULK) / ((performance.now() - started) / 1_000))
  }
  report(`bulk appends, ${BULK} events a call`, ' events/s', median(rates), REAL.bulk, 1.5)
  await close(client, store)
}

async function drains({ rounds, events }: NodeCounts): Promise<void> {
  const dataDir = temporaryDirectory()
  buildLog(dataDir, events)
  const store = await startStoreProcess(dataDir)
  const client = EventStoreDBClient.connectionString(store.url)
  const filter = streamNameFilter({ prefixes: [COMMON.prefix, 'other-'] })
  // All but the rare ones.
  const wanted = Math.floor(events * 0.99)
  const rates: number[] = []
  for (let round = 0; round < rounds; round++) {
    const started = performance.now()
    const subscription = client.subscribeToAll({ filter })
    let left = wanted
    for await (const _ of subscription) if (--left === 0) break
    rates.push(wanted / ((performance.now() - started) / 1_000))
    await subscription.unsubscribe()
  }
  report('drain of $all, filtered by stream prefix', ' events/s', median(rates), REAL.drain, 1)
  await close(client, store)
}

async function deliveries({ deliveries }: NodeCounts): Promise<void> {
  const store = await startStoreProcess()
  const client = EventStoreDBClient.connectionString(store.url)
  const subscription = client.subscribeToAll({
    fromPosition: 'end',
    filter: streamNameFilter({ prefixes: ['user-'] }),
  })
  const delivered = new Map<string, (at: number) => void>()
  const confirmed = new Promise((resolve) => subscription.once('confirmation', resolve))
  subscription.on('data', ({ event }) => delivered.get(event?.streamId ?? '')?.(performance.now()))
  await confirmed
  const times: number[] = []
  for (let at = 0; at < deliveries + 50; at++) {
    const email = `idle${at}@example.com`
    const arrival = new Promise<number>((resolve) => delivered.set(`user-${email}`, resolve))
    const event = registration(email)
    const started = performance.now()
    await client.appendToStream(`user-${email}`, event, { expectedRevision: NO_STREAM })
    const took = (await arrival) - started
    if (at >= 50) times.push(took)
    // Idle again.
    await sleep(5)
  }
  const real = `real server ${REAL.deliveryP50} and ${REAL.deliveryP99} ms`
  console.log(
    `append to delivery, idle: p50 ${median(times).toFixed(2)} ms (aim 1), p99 ${p99(times).toFixed(2)} ms (aim 4); ${real}`,
  )
  await subscription.unsubscribe()
  await close(client, store)
}

async function starts({ rounds, events }: NodeCounts): Promise<void> {
  const filled = temporaryDirectory()
  buildLog(filled, events)
  const onEmpty: number[] = []
  const onFilled: number[] = []
  const first = async (url: string): Promise<void> => {
    const client = EventStoreDBClient.connectionString(url)
    await appendRegistration(client, `first-${Math.random()}`)
    await client.dispose()
  }
  for (let round = 0; round < rounds; round++) {
    for (const [dataDir, times] of [
      [temporaryDirectory(), onEmpty],
      [filled, onFilled],
    ] as const) {
      const { seconds, store } = await startToFirstAppend(dataDir, first)
      times.push(seconds)
      await store.stop()
    }
  }
  console.log(`start to first append, empty: ${median(onEmpty).toFixed(2)} s (aim 0.5; real server ${REAL.start} s)`)
  console.log(`start to first append, ${count(events)} events: ${median(onFilled).toFixed(2)} s (aim 1)`)
}

function report(what: string, unit: string, ours: number, real: number, aim: number, more = ''): void {
  const ratio = `ratio ${(ours / real).toFixed(2)} (aim ${aim})`
  console.log(`${what}: ${count(ours)}${unit}; real server ${count(real)}; ${ratio}${more}`)
}

async function close(client: EventStoreDBClient, store: StoreProcess): Promise<void> {
  await client.dispose()
  await store.stop()
}
