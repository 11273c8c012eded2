import { monitorEventLoopDelay } from 'node:perf_hooks'
import { EventStoreDBClient, jsonEvent } from '@eventstore/db-client'
import { expect, onTestFinished, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { ATTACKS, type Attack } from './fuzz/attacks.ts'
import { Canary } from './fuzz/canary.ts'
import { Connections } from './fuzz/connection.ts'
import { Random } from './fuzz/random.ts'
import { startTarget } from './fuzz/target.ts'

// Longer: FUZZ_SECONDS=<seconds>. Every run is another one; to repeat one: FUZZ_SEED=<seed>.
const SECONDS = Number(process.env['FUZZ_SECONDS'] ?? 30)
const SEED = Number(process.env['FUZZ_SEED'] ?? Date.now() % 2 ** 31)

const MiB = 1024 * 1024
/**
 * 256 MiB for what is received and not complete, 256 MiB for what is sent and not taken, 128 MiB for a thread's heap under load,
 * 100 MiB for the runtime, and as much again for what the garbage collector has not come to.
 */
const MEMORY = 1_024 * MiB
/** What the client gives an append, for a machine that is busy with the attackers and other tests too. */
const LATENCY_MS = 10_000

test(`hostile clients (seed ${SEED}) neither end the node, nor fill its memory, nor keep others from their work`, {
  timeout: SECONDS * 1_000 + 90_000,
}, async () => {
  const target = await startTarget(temporaryFolder())
  onTestFinished(async () => {
    await target.close()
  })
  const random = new Random(SEED)
  const canary = new Canary(target.port)
  await canary.connected
  const before = target.descriptors()
  const end = performance.now() + SECONDS * 1_000
  const history: string[] = []
  let peak = 0
  const ownDelay = monitorEventLoopDelay({ resolution: 5 })
  ownDelay.enable()
  const attackers = Array.from({ length: 3 }, async () => {
    while (performance.now() < end && target.isAlive()) {
      const [name, attack] = random.pick(CHOICES)
      const own = random.fork()
      history.push(`${name} ${own.seed}`)
      const connections = new Connections(target.port)
      await attack(connections, own)
      peak = Math.max(peak, target.isAlive() ? target.memory() : 0)
      connections.closeAll()
    }
  })
  await Promise.all(attackers)
  if (!target.isAlive()) await target.close()
  const context = `seed ${SEED}, ${history.length} attacks, the last: ${history.slice(-5).join(', ')}\n${target.complaints()}`
  expect(target.isAlive(), context).toBe(true)
  const report = await canary.stop().catch(async (cause: unknown) => {
    await target.close()
    throw new Error(`The well-behaved client failed. ${context}\n${target.complaints()}`, { cause })
  })
  const figures = {
    attacks: history.length,
    peakMiB: Math.round(peak / MiB),
    ownDelay: Math.round(ownDelay.max / 1e6),
    ...report,
    seen: report.seen.length,
  }
  process.stdout.write(`fuzz ${SEED}: ${JSON.stringify(figures)}\n`)
  expect(report.seen, context).toEqual(Array.from({ length: report.appends }, (_, index) => index))
  expect(report.slowestAppend, context).toBeLessThan(LATENCY_MS)
  expect(report.slowestDelivery, context).toBeLessThan(LATENCY_MS)
  expect(peak, context).toBeLessThan(MEMORY)
  expect(target.complaints(), context).toBe('')
  // A connection that says nothing any longer is closed after 20 s.
  await eventually(() => target.descriptors() <= before, `${context}: sockets are released`, 25_000)
  await answersAsBefore(target.port)
  expect(await target.close()).toBe(0)
})

const [first = ['', async () => {}], ...rest] = Object.entries(ATTACKS)
const CHOICES: readonly [[string, Attack], ...[string, Attack][]] = [first, ...rest]

async function answersAsBefore(port: number): Promise<void> {
  const client = EventStoreDBClient.connectionString(`esdb://127.0.0.1:${port}?tls=false`)
  await client.appendToStream('afterwards', jsonEvent({ type: 'was-written', data: { a: 1 } }))
  const types: (string | undefined)[] = []
  for await (const { event } of client.readStream('afterwards')) types.push(event?.type)
  expect(types).toEqual(['was-written'])
  await client.dispose()
}
