import type { Registry } from 'prom-client'
import { shared, watchCounter, watchGauge } from './watched.ts'

/** How long the node may take for its figures, in milliseconds. */
const PATIENCE = 1_000

/** What the embedded node tells of itself, since it started. */
export interface NodeFigures {
  readonly commits: number
  readonly requests: number
  readonly events: number
  readonly largestCommit: number
  readonly commitSeconds: number
  readonly longestCommitSeconds: number
  readonly connections: number
  readonly logBytes: number
}

export function watchNode(registry: Registry, ask: () => Promise<NodeFigures>): void {
  const figures = shared(PATIENCE, ask)
  const counter = (name: string, help: string, read: (figures: NodeFigures) => number) =>
    watchCounter(registry, `rollbook_node_${name}`, help, async () => map(await figures(), read))
  const gauge = (name: string, help: string, read: (figures: NodeFigures) => number) =>
    watchGauge(registry, `rollbook_node_${name}`, help, async () => map(await figures(), read))

  counter(
    'fsyncs_total',
    'Commits of the embedded node, each of which waits for the disk once.',
    (node) => node.commits,
  )
  counter('events_total', 'Events that the embedded node has written.', (node) => node.events)
  counter(
    'requests_total',
    'Appends, deletes and tombstones in the commits of the embedded node.',
    (node) => node.requests,
  )
  counter('commit_seconds_total', 'Time that the embedded node has spent in commits.', (node) => node.commitSeconds)
  gauge('longest_commit_seconds', 'The longest commit of the embedded node.', (node) => node.longestCommitSeconds)
  gauge('largest_commit_events', 'Most events in one commit of the embedded node.', (node) => node.largestCommit)
  gauge(
    'connections',
    'Open connections of the embedded node, that of this service among them.',
    (node) => node.connections,
  )
  gauge('log_bytes', 'Size of the log of the embedded node.', (node) => node.logBytes)
}

function map<T, R>(value: T | undefined, read: (value: T) => R): R | undefined {
  return value === undefined ? undefined : read(value)
}
