import autocannon from 'autocannon'
import { count } from './figures.ts'
import { freePort, type Running, start, startStore, temporaryDirectory } from './processes.ts'

/** Connections that send one registration after the other, whatever they are answered. */
const FLOOD = 256

/**
 * What a service does under more registrations than it can take, for several limits of commands at a time: how many
 * it registers and refuses, and how long a client that looks at `GET /users` meanwhile waits.
 */
export async function overload(limits: readonly number[], seconds: number): Promise<void> {
  for (const limit of limits) {
    const store = await startStore()
    const port = await freePort()
    const environment = { EVENTSTORE_URL: store.url, PORT: String(port), DATA_DIR: temporaryDirectory() }
    const url = `http://127.0.0.1:${port}`
    const service = await start(['serve'], { ...environment, MAX_COMMANDS: String(limit) }, `${url}/health/ready`)
    await flood(url, 2)
    const idle = await looks(url, seconds)
    const [load, flooded] = await Promise.all([flood(url, seconds), looks(url, seconds)])
    const ratio = (flooded.p99 / idle.p99).toFixed(1)
    console.log(
      `at most ${limit} commands: ${count(load.registered)} registered and ${count(load.refused)} refused a second; ` +
        `GET /users p50 ${ms(flooded.p50)}, p99 ${ms(flooded.p99)}, idle ${ms(idle.p50)}, ${ms(idle.p99)}; ratio ${ratio}`,
    )
    await stopAll(service, store)
  }
}

interface Waits {
  /** Milliseconds. */
  readonly p50: number
  readonly p99: number
}

const ms = (value: number) => `${value.toFixed(2)} ms`

async function flood(url: string, seconds: number): Promise<{ registered: number; refused: number }> {
  const result = await autocannon({
    ...{ url: `${url}/user/registration`, method: 'POST', headers: { 'content-type': 'application/json' } },
    ...{ connections: FLOOD, duration: seconds, workers: 1, idReplacement: true },
    body: JSON.stringify({ username: 'Ada Lovelace', email: 'ada-[<id>]@example.com' }),
  })
  const refused = result.statusCodeStats?.['503']?.count ?? 0
  if (result.non2xx > refused || result.errors > 0) throw new Error(JSON.stringify(result.statusCodeStats))
  return { registered: result['2xx'] / result.duration, refused: refused / result.duration }
}

/** One client, that asks again as soon as it is answered. */
async function looks(url: string, seconds: number): Promise<Waits> {
  const waits: number[] = []
  const end = performance.now() + seconds * 1_000
  while (performance.now() < end) {
    const asked = performance.now()
    const response = await fetch(`${url}/users?limit=50`)
    await response.arrayBuffer()
    if (!response.ok) throw new Error(`GET /users: ${response.status}`)
    waits.push(performance.now() - asked)
  }
  waits.sort((a, b) => a - b)
  const at = (part: number) => waits[Math.floor(waits.length * part)] ?? Number.NaN
  return { p50: at(0.5), p99: at(0.99) }
}

async function stopAll(...all: readonly Running[]): Promise<void> {
  for (const running of all) await running.stop()
}
