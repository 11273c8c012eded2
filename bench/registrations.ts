import { EventStoreDBClient } from '@eventstore/db-client'
import autocannon from 'autocannon'
import { appendRegistrations } from './events.ts'
import { compare, reportComparison } from './figures.ts'
import { freePort, start, startStore, temporaryDirectory } from './processes.ts'

/** Registrations over HTTP against bare appends, both with 64 at a time on the same store. */
export async function registrations(rounds: number, seconds: number): Promise<void> {
  const store = await startStore()
  const port = await freePort()
  const environment = { EVENTSTORE_URL: store.url, PORT: String(port), DATA_DIR: temporaryDirectory() }
  const service = await start(['serve'], environment, `http://127.0.0.1:${port}/health/ready`)
  const client = EventStoreDBClient.connectionString(store.url)

  const comparison = await compare(
    rounds + 1,
    (round) => registerOverHttp(port, seconds, `http${round}-`),
    async (round) => {
      const count = round === 0 ? 2_000 : 5_000 * seconds
      const started = performance.now()
      await appendRegistrations(client, count, 64, `bare${round}-`)
      return count / ((performance.now() - started) / 1_000)
    },
  )
  reportComparison('registrations, 64 at a time', 'bare appends', comparison, 0.7)
  await client.dispose()
  await service.stop()
  await store.stop()
}

async function registerOverHttp(port: number, seconds: number, prefix: string): Promise<number> {
  let next = 0
  const result = await autocannon({
    url: `http://127.0.0.1:${port}`,
    connections: 64,
    duration: seconds,
    requests: [
      {
        method: 'POST',
        path: '/user/registration',
        headers: { 'content-type': 'application/json' },
        setupRequest: (request) => ({
          ...request,
          body: JSON.stringify({ username: 'Ada Lovelace', email: `${prefix}${next++}@example.com` }),
        }),
      },
    ],
  })
  if (result.non2xx + result.errors > 0) throw new Error(`${result.non2xx + result.errors} registrations failed`)
  return result['2xx'] / result.duration
}
