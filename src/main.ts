import { join } from 'node:path'
import type { Logger } from 'pino'
import { todosProjection } from '../projections/todos/projection.ts'
import { prepareTodoList } from '../projections/todos/queries.ts'
import { usersProjection } from '../projections/users/projection.ts'
import { prepareUserDirectory } from '../projections/users/queries.ts'
import { explained } from './cli/explained.ts'
import { type Config, ConfigError } from './config.ts'
import { withoutPassword } from './connection-string.ts'
import { commandLimit } from './cqrs/command-limit.ts'
import { correlationIdOf } from './cqrs/correlation.ts'
import type { RecordedEvent } from './cqrs/event.ts'
import { GroupReactor } from './cqrs/group-reactor.ts'
import { Reactor, type ReactorNews } from './cqrs/reactor.ts'
import { type EmbeddedNode, startNode } from './embedded-node/node.ts'
import { connectEventStore, type EventStore } from './eventstoredb/event-store.ts'
import { eventStoreSnapshots } from './eventstoredb/snapshots.ts'
import { createApp } from './http/app.ts'
import type { Health } from './http/health.ts'
import { listen } from './http/server.ts'
import { type Audience, isLoopback } from './inspector/access.ts'
import { inspectorModule } from './inspector/module.tsx'
import type { Metrics } from './metrics/metrics.ts'
import { openReactionStore } from './reactions/sqlite-reaction-store.ts'
import { type WebhookMessage, webhooks } from './reactions/webhooks.ts'
import { BuildProgress } from './read-model/build-progress.ts'
import { prepareExplorer, type ReadModelExplorer } from './read-model/explorer.ts'
import { ReadModel } from './read-model/read-model.ts'
import { todosModule } from './todos/routes.ts'
import { todo } from './todos/todo.ts'
import { startTracing } from './tracing/start.ts'
import type { Tracing } from './tracing/tracing.ts'
import { IdempotencyKeyReused, registration } from './users/registration.ts'
import { usersModule } from './users/routes.ts'
import { EmailAlreadyRegistered, user } from './users/user.ts'

/** What is replayed into the read model. */
export const projections = [usersProjection, todosProjection]

export const readModelDir = ({ dataDir }: Config): string => join(dataDir, 'read-model')

export const reactionFile = ({ dataDir }: Config): string => join(dataDir, 'reactions.sqlite')

export const nodeUrl = (address: string, tls = false): string => `esdb://${address}?tls=${tls}`

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
 * commands are answered with 503, and queries from what the read model has. Rejects when `stop` is aborted before the
 * service is up, with everything closed.
 *
 * @throws {LogInUse | UnknownLogFormat | CorruptLog | LogNotWritable | PortInUse} of the embedded node.
 * @throws {ConfigError} a node with TLS or users, which is to run on its own.
 * @throws {CannotListen}
 * @throws {UnusableReactionFile}
 */
export async function serve(config: Config, logger: Logger, stop: AbortSignal): Promise<Service> {
  const closing: (() => Promise<void>)[] = []
  const close = async () => {
    for (const step of closing.splice(0).reverse()) await step()
  }
  try {
    const tracing = await startTracing(config.traceExporters, logger)
    closing.push(() => tracing.stop())
    const isEmbedded = config.eventStoreUrl === undefined
    if (isEmbedded && config.nodeSecurity !== undefined) throw new ConfigError('EVENTSTORE_URL', '', NODE_ALONE)
    // It takes a tenth of the start to load, and the node starts in a thread of its own meanwhile.
    const loading = import('./metrics/metrics.ts')
    const node = isEmbedded ? await startEmbeddedNode(config, logger) : undefined
    if (node) closing.push(() => node.close())
    stop.throwIfAborted()
    const url = node ? nodeUrl(node.address) : (config.eventStoreUrl ?? '')
    const metrics = (await loading).createMetrics()
    const connected = connectEventStore(url, {
      onRefusal: (error) => {
        const { message, hint } = explained(error)
        logger.error({ reason: message, hint }, 'the event store refuses the service: tried again until it does not')
      },
    })
    closing.push(() => connected.close())
    const store = { ...connected, append: metrics.append(connected) }
    const events = tracing.events(store)
    const readModel = new ReadModel({
      ...{ log: metrics.projector.followed(store), projections, logger },
      ...(tracing.applied && { onApplied: tracing.applied }),
      dir: readModelDir(config),
      queries: (db) => ({
        ...prepareUserDirectory(db),
        ...{ todos: prepareTodoList(db), explorer: prepareExplorer(db, projections) },
      }),
    })
    closing.push(() => readModel.close())
    const reactors = await startReactions(config, store, metrics, logger, tracing, closing)
    stop.throwIfAborted()
    const admit = commandLimit({
      most: config.maxCommands,
      onRefused: (refused) => logger.warn({ refused, most: config.maxCommands }, 'overloaded: commands are refused'),
    })
    const health = () => healthOf(store.isConnected(), readModel, reactors)
    const stopping = new AbortController()
    const audience = inspectorAudience(config)
    const inspected = {
      status: () => readModel.status(),
      look: <T>(read: (file: ReadModelExplorer) => T) => readModel.query(({ explorer }) => read(explorer)).value,
      replayParked: () => readModel.replayParked(),
    }
    const inspector = audience
      ? [inspectorModule({ store, readModel: inspected, audience, stopping: stopping.signal })]
      : []
    const app = createApp({
      logger,
      onFailure: tracing.requestFailed,
      readModel: {
        reached: (position, timeout, signal) =>
          readModel.reached(position, timeout, signal ? AbortSignal.any([signal, stopping.signal]) : stopping.signal),
      },
      modules: [
        usersModule({
          register: metrics.commands.command(user.type, registration(events), isRefusedRegistration),
          queries: readModel,
          admit: tracing.commands('register user', metrics.commands.admission(user.type, admit, config.maxCommands)),
        }),
        todosModule({
          ...{ events, snapshots: eventStoreSnapshots(events), queries: readModel, logger },
          admit: tracing.commands('change to-dos', metrics.commands.admission(todo.type, admit, config.maxCommands)),
          ...{ clock: () => new Date(), graphiql: config.development },
          around: (todos) => metrics.commands.store(todo.type, todos),
        }),
        ...inspector,
      ],
      ...{ health, metrics },
    })
    const server = await listen(tracing.requests(app), config, {}, metrics.refused)
    closing.push(() => {
      stopping.abort()
      return server.close()
    })
    const buildProgress = new BuildProgress(readModelDir(config))
    metrics.watch({
      isReady: () => health().ready,
      connections: () => server.connections(),
      isConnected: () => store.isConnected(),
      lastPosition: async () => (await store.lastPosition()) ?? 0,
      readModel: () => readModel.status(),
      rebuild: () => buildProgress.position(),
      reactions: () => reactors.map((reactor) => reactor.status()),
      node: node && (() => node.statistics()),
    })
    // The line that says that the service is up should come last; but a long replay must not hold it back.
    await readModel.reached(0, 1_000, stop)
    stop.throwIfAborted()
    return {
      ...{ close, url: server.url, eventStore: withoutPassword(url) },
      failed: node?.failed ?? new Promise(() => undefined),
    }
  } catch (error) {
    await close()
    throw error
  }
}

/** Its log is in the data directory; what goes wrong in it goes to the logger. */
export function startEmbeddedNode(config: Config, logger: Logger): Promise<EmbeddedNode> {
  const { dataDir, embeddedNodePort, nodeSecurity } = config
  const onFault = (reason: string) => logger.error({ reason }, 'the embedded node met a fault')
  const onWarning = (warning: string) => logger.warn(warning)
  return startNode({ dataDir, port: embeddedNodePort, ...nodeSecurity, onFault, onWarning })
}

const NODE_ALONE =
  'a node with EMBEDDED_NODE_HOST, _TLS_CERTIFICATE, _TLS_KEY or _USERS runs on its own (rollbook node); give its connection string, with a user that the service is to be'

const isRefusedRegistration = (error: unknown) =>
  error instanceof EmailAlreadyRegistered || error instanceof IdempotencyKeyReused

/** Before requests are answered, so that no registration comes too early for its webhook. */
async function startReactions(
  config: Config,
  eventStore: EventStore,
  metrics: Metrics,
  logger: Logger,
  tracing: Tracing,
  closing: (() => Promise<void>)[],
): Promise<readonly (Reactor | GroupReactor)[]> {
  if (!config.webhook) return []
  const { group } = config.webhook
  const deliveries = webhooks({
    name: 'webhooks',
    predicate: { aggregates: [{ type: user.type, events: ['UserRegistered'] }] },
    message: registrationMessage,
    ...config.webhook,
    fetch: tracing.fetch,
  })
  const reaction = tracing.reactions(metrics.reactions.timed(deliveries))
  const onNews = (news: ReactorNews) => logNews(news, logger)
  let reactor: Reactor | GroupReactor
  if (group === undefined) {
    const store = openReactionStore(reactionFile(config))
    closing.push(async () => store.close())
    reactor = new Reactor({ log: eventStore, store, reaction, onNews })
  } else {
    reactor = new GroupReactor({ groups: eventStore, group, reaction, onNews })
  }
  closing.push(() => reactor.stop())
  await reactor.start()
  return [reactor]
}

function registrationMessage(event: RecordedEvent): WebhookMessage {
  const { id, name, email } = user.codec.decode(event).data
  return { type: 'user.registered', data: { id, name, email } }
}

function logNews(news: ReactorNews, logger: Logger): void {
  if (news.kind === 'state') {
    const { name, state, position, error } = news.status
    const level = state === 'failed' ? 'error' : state === 'reconnecting' ? 'warn' : 'info'
    logger[level]({ reaction: name, position, err: error }, `reaction is ${state}`)
    return
  }
  const { event, error } = news
  const { id, type, position } = event
  const facts = { event: id, type, position, correlationId: correlationIdOf(event), reason: error }
  if (news.kind === 'parked') logger.error(facts, 'an event was parked that could not be reacted to')
  else logger.warn({ ...facts, failures: news.failures }, 'reaction failed and is tried again')
}

/** Nobody, where undefined. */
function inspectorAudience({ inspector, host }: Config): Audience | undefined {
  if (inspector === 'on') return 'everybody'
  return inspector === undefined && isLoopback(host) ? 'loopback' : undefined
}

function healthOf(
  connected: boolean,
  readModel: ReadModel<unknown>,
  reactors: readonly (Reactor | GroupReactor)[],
): Health {
  const { isServing, state, error, lag = null, ...progress } = readModel.status()
  return {
    ready: connected && isServing && state === 'live',
    eventStore: { connected },
    readModel: { state, ...progress, lag, ...(error && { error: error.message }) },
    reactions: reactors.map((reactor) => {
      const { error, lag = null, ...status } = reactor.status()
      return { ...status, lag, ...(error && { error: error.message }) }
    }),
  }
}
