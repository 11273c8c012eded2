import { join } from 'node:path'
import type { Logger } from 'pino'
import { usersProjection } from '../projections/users/projection.ts'
import { prepareUserDirectory } from '../projections/users/queries.ts'
import type { Config } from './config.ts'
import { type EmbeddedNode, startNode } from './embedded-node/node.ts'
import { connectEventStore } from './eventstoredb/event-store.ts'
import { createApp } from './http/app.ts'
import type { Health } from './http/health.ts'
import { listen } from './http/server.ts'
import { ReadModel } from './read-model/read-model.ts'
import { registration } from './users/registration.ts'
import { usersModule } from './users/routes.ts'

/** What is replayed into the read model. */
export const projections = [usersProjection]

export const readModelDir = ({ dataDir }: Config): string => join(dataDir, 'read-model')

export const nodeUrl = (address: string): string => `esdb://${address}?tls=false`

export interface Service {
  /** Where the API is. */
  readonly url: string
  /** Where the event store is: a connection string without its password. */
  readonly eventStore: string
  /** Resolves with the reason if the service cannot go on. */
  readonly failed: Promise<Error>
  /** Answers the requests that were accepted, then stops projector, store and node. */
  close(): Promise<void>
}

/**
 * Starts the service: event store, read model, HTTP. An event store at `EVENTSTORE_URL` may be away; until it comes,
 * commands are answered with 503, and queries from what the read model has.
 *
 * @throws {LogInUse | UnknownLogFormat | CorruptLog | PortInUse} of the embedded node.
 * @throws {AddressInUse}
 */
export async function serve(config: Config, logger: Logger): Promise<Service> {
  const closing: (() => Promise<void>)[] = []
  const close = async () => {
    for (const step of closing.splice(0).reverse()) await step()
  }
  try {
    const node = config.eventStoreUrl === undefined ? await startEmbeddedNode(config) : undefined
    if (node) closing.push(() => node.close())
    const url = node ? nodeUrl(node.address) : (config.eventStoreUrl ?? '')
    const store = connectEventStore(url)
    closing.push(() => store.close())
    const readModel = new ReadModel({
      ...{ log: store, projections, logger },
      dir: readModelDir(config),
      queries: prepareUserDirectory,
    })
    closing.push(() => readModel.close())
    const stopping = new AbortController()
    const app = createApp({
      logger,
      readModel: {
        reached: (position, timeout, signal) =>
          readModel.reached(position, timeout, signal ? AbortSignal.any([signal, stopping.signal]) : stopping.signal),
      },
      modules: [usersModule({ register: registration(store), queries: readModel })],
      health: () => healthOf(readModel),
    })
    const server = await listen(app, config)
    closing.push(() => {
      stopping.abort()
      return server.close()
    })
    // The line that says that the service is up should come last; but a long replay must not hold it back.
    await readModel.reached(0, 1_000)
    return {
      ...{ close, url: server.url, eventStore: withoutPassword(url) },
      failed: node?.failed ?? new Promise(() => undefined),
    }
  } catch (error) {
    await close()
    throw error
  }
}

async function startEmbeddedNode({ dataDir, embeddedNodePort }: Config): Promise<EmbeddedNode> {
  return startNode({ dataDir, port: embeddedNodePort })
}

function healthOf(readModel: ReadModel<unknown>): Health {
  const { isServing, state, error, lag = null, ...progress } = readModel.status()
  return {
    ready: isServing && state === 'live',
    eventStore: { connected: state === 'live' || state === 'replaying' },
    readModel: { state, ...progress, lag, ...(error && { error: error.message }) },
  }
}

function withoutPassword(url: string): string {
  return url.replace(/\/\/[^/@]*@/, '//')
}
