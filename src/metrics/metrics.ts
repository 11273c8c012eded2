import { collectDefaultMetrics, Registry } from 'prom-client'
import type { Position } from '../cqrs/event.ts'
import type { EventSink } from '../cqrs/event-store.ts'
import type { ReactorStatus } from '../cqrs/reactor.ts'
import { appendMetrics } from './appends.ts'
import { type CommandMetrics, commandMetrics } from './commands.ts'
import { type NodeFigures, watchNode } from './node.ts'
import { type ProjectorMetrics, projectorMetrics, type ReadModelFigures } from './projector.ts'
import { type ReactionMetrics, reactionMetrics } from './reactions.ts'
import { type RequestMetrics, requestMetrics } from './requests.ts'
import { shared, watchGauge } from './watched.ts'

/** How long the event store may take to say where its log ends, in milliseconds. */
const PATIENCE = 1_000

/** What is read with each scrape. */
export interface Watched {
  readonly isReady: () => boolean
  /** Open connections of clients. */
  readonly connections: () => number
  readonly isConnected: () => boolean
  readonly lastPosition: () => Promise<Position | undefined>
  readonly readModel: () => ReadModelFigures
  /** How far a read model has come that is being built here or by another process; undefined where none is. */
  readonly rebuild: () => Position | undefined
  readonly reactions: () => readonly ReactorStatus[]
  /** Undefined where the service has no node of its own. */
  readonly node: (() => Promise<NodeFigures>) | undefined
}

/** The figures of one service, in a registry of its own, by the conventions of Prometheus. */
export interface Metrics extends RequestMetrics {
  readonly append: (sink: EventSink) => EventSink['append']
  readonly commands: CommandMetrics
  readonly projector: Pick<ProjectorMetrics, 'followed'>
  readonly reactions: Pick<ReactionMetrics, 'timed'>
  watch(watched: Watched): void
  /** In the text format of Prometheus (https://prometheus.io/docs/instrumenting/exposition_formats/). */
  expose(): Promise<{ readonly contentType: string; readonly body: string }>
}

export function createMetrics(): Metrics {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const requests = requestMetrics(registry)
  const commands = commandMetrics(registry)
  const append = appendMetrics(registry)
  const projector = projectorMetrics(registry)
  const reactions = reactionMetrics(registry)
  return {
    ...{ ...requests, commands, append, projector, reactions },
    watch({ isReady, connections, isConnected, lastPosition, readModel, rebuild, reactions: statuses, node }) {
      watchGauge(registry, 'rollbook_ready', 'Whether the service can do its work: 1 or 0.', () => Number(isReady()))
      watchGauge(registry, 'rollbook_http_connections', 'Open connections of clients.', connections)
      watchGauge(registry, 'rollbook_event_store_connected', 'Whether the event store answered last: 1 or 0.', () =>
        Number(isConnected()),
      )
      watchGauge(
        registry,
        'rollbook_log_end_position',
        'Position of the last event in the log, whatever its stream. None while the event store does not answer.',
        shared(PATIENCE, lastPosition),
      )
      projector.watch(readModel)
      watchGauge(registry, 'rollbook_rebuild_in_progress', 'Whether a read model is being built: 1 or 0.', () =>
        Number(rebuild() !== undefined),
      )
      watchGauge(
        registry,
        'rollbook_rebuild_position',
        'Position of the log up to which the read model that is being built was committed. None while none is.',
        rebuild,
      )
      reactions.watch(statuses)
      if (node) watchNode(registry, node)
    },
    expose: async () => ({ contentType: registry.contentType, body: await registry.metrics() }),
  }
}
