import { EventStoreDBClient } from '@eventstore/db-client'
import { appendRegistrations } from './events.ts'
import { count, median } from './figures.ts'
import { freePort, start, temporaryDirectory } from './processes.ts'

/** From the start of the process to ready, with the embedded node, on an empty log and with so many users. */
export async function startUp(rounds: number, users: number): Promise<void> {
  const empty: number[] = []
  const filled: number[] = []
  const dataDir = temporaryDirectory()
  await secondsToReady(dataDir, (storeUrl) => fill(storeUrl, users))
  for (let round = 0; round < rounds; round++) {
    empty.push(await secondsToReady(temporaryDirectory()))
    filled.push(await secondsToReady(dataDir))
  }
  console.log(`start-up to ready, empty log: ${median(empty).toFixed(2)} s (aim 1.5)`)
  console.log(`start-up to ready, ${count(users)} events projected: ${median(filled).toFixed(2)} s (aim 2)`)
}

async function secondsToReady(dataDir: string, then?: (storeUrl: string) => Promise<void>): Promise<number> {
  const [port, storePort] = [await freePort(), await freePort()]
  const environment = { PORT: String(port), EMBEDDED_NODE_PORT: String(storePort), DATA_DIR: dataDir }
  const started = performance.now()
  const service = await start(['serve'], environment, `http://127.0.0.1:${port}/health/ready`)
  const seconds = (performance.now() - started) / 1_000
  await then?.(`esdb://127.0.0.1:${storePort}?tls=false`)
  await service.stop()
  return seconds
}

async function fill(storeUrl: string, users: number): Promise<void> {
  const client = EventStoreDBClient.connectionString(storeUrl)
  await appendRegistrations(client, users, 256, 'user')
  await client.dispose()
}
