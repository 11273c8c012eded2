import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type Config, readConfig } from '../config.ts'
import { isNodeSecured } from '../embedded-node/address.ts'
import { LogInUse } from '../embedded-node/errors.ts'
import { startNode } from '../embedded-node/node.ts'
import { connectEventStore, type EventStore } from '../eventstoredb/event-store.ts'
import { nodeUrl } from '../main.ts'
import { NoEventStore, prepareDataDir } from './data-dir.ts'

/**
 * Works on the configured event store. Without `EVENTSTORE_URL` that is the node of the service that runs on the data
 * directory, or where none runs, a node that is started for the time being; none is started that would begin a new log.
 */
export async function withEventStore(work: (store: EventStore, config: Config) => Promise<void>): Promise<void> {
  const config = readConfig(process.env)
  const { url, close } = await reach(config)
  const store = connectEventStore(url)
  try {
    await work(store, config)
  } finally {
    await store.close()
    await close()
  }
}

/** Works on the embedded node of a data directory, which is started for the time being where it does not run. */
export async function withNode(dataDir: string, work: (address: string) => Promise<void>): Promise<void> {
  const { address, close } = await reachNode(dataDir, 'stop it, or ask it with a client that has a login')
  try {
    await work(address)
  } finally {
    await close()
  }
}

const nothingToClose = async () => {}

async function reach({ eventStoreUrl, dataDir }: Config): Promise<{ url: string; close(): Promise<void> }> {
  if (eventStoreUrl !== undefined) return { url: eventStoreUrl, close: nothingToClose }
  const { address, close } = await reachNode(dataDir, 'set EVENTSTORE_URL')
  return { url: nodeUrl(address), close }
}

/** `otherwise` says what to do where the node runs and takes logins. */
async function reachNode(dataDir: string, otherwise: string): Promise<{ address: string; close(): Promise<void> }> {
  if (!existsSync(join(dataDir, 'eventstore.sqlite'))) {
    throw new NoEventStore(dataDir)
  }
  prepareDataDir(dataDir)
  try {
    // Any free port: nobody else is to find it.
    const node = await startNode({ dataDir, port: 0 })
    return { address: node.address, close: () => node.close() }
  } catch (error) {
    if (!(error instanceof LogInUse) || error.address === undefined) throw error
    if (isNodeSecured(dataDir)) throw new Error(`the node on ${error.address} takes TLS: ${otherwise}`)
    return { address: error.address, close: nothingToClose }
  }
}
