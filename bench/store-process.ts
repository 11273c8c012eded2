import { fork } from 'node:child_process'
import { once } from 'node:events'
import type { Statistics } from '../src/embedded-node/statistics.ts'
import { type Running, temporaryDirectory } from './processes.ts'

export interface StoreProcess extends Running {
  readonly url: string
  statistics(): Promise<Statistics>
}

/** The embedded node in a process of its own; resolves once it listens. */
export async function startStoreProcess(dataDir = temporaryDirectory()): Promise<StoreProcess> {
  const child = fork('bench/store-process.mjs', [dataDir], { execArgv: [] })
  process.setMaxListeners(0).on('exit', () => child.kill('SIGKILL'))
  const [address] = await Promise.race([once(child, 'message'), once(child, 'exit')])
  if (typeof address !== 'string') throw new Error(`the node ended with exit code ${address}`)
  const statistics = async (): Promise<Statistics> => {
    const answer = once(child, 'message')
    child.send('statistics')
    const [found] = await answer
    return found
  }
  const stop = async (): Promise<void> => {
    const exit = once(child, 'exit')
    child.kill('SIGTERM')
    await exit
  }
  return { process: child, url: `esdb://${address}?tls=false`, statistics, stop }
}

/** From the start of the process until an append is acknowledged, in seconds, and what was started. */
export async function startToFirstAppend(
  dataDir: string,
  append: (url: string) => Promise<void>,
): Promise<{ seconds: number; store: StoreProcess }> {
  const started = performance.now()
  const store = await startStoreProcess(dataDir)
  await append(store.url)
  return { seconds: (performance.now() - started) / 1_000, store }
}
