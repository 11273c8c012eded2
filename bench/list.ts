import autocannon from 'autocannon'
import { compare, reportComparison } from './figures.ts'
import { freePort, run, start, temporaryDirectory } from './processes.ts'
import { filledStore } from './rebuild.ts'

/** A list page of 50 users against bare Hono that sends the same bytes. */
export async function list(rounds: number, seconds: number, users: number): Promise<void> {
  const store = await filledStore(users)
  const [port, barePort] = [await freePort(), await freePort()]
  const environment = { EVENTSTORE_URL: store.url, PORT: String(port), DATA_DIR: temporaryDirectory() }
  const service = await start(['serve'], environment, `http://127.0.0.1:${port}/health/ready`)
  const page = `http://127.0.0.1:${port}/users`
  const bytes = await (await fetch(page)).text()
  const bareUrl = `http://127.0.0.1:${barePort}/users`
  const bare = await run(['bench/bare-hono.mjs', String(barePort)], { BODY: bytes }, bareUrl)

  const comparison = await compare(
    rounds,
    () => requestsPerSecond(page, seconds),
    () => requestsPerSecond(bareUrl, seconds),
  )
  reportComparison(`list page of 50 among ${users} users, ${bytes.length} bytes`, 'bare Hono', comparison, 0.6)
  await bare.stop()
  await service.stop()
  await store.stop()
}

async function requestsPerSecond(url: string, seconds: number): Promise<number> {
  const result = await autocannon({ url, connections: 16, duration: seconds })
  if (result.non2xx + result.errors > 0) throw new Error(`${result.non2xx + result.errors} requests failed`)
  return result['2xx'] / result.duration
}
