import type { Position } from '../cqrs/event.ts'
import type { EventLog, LogBatch } from '../cqrs/event-store.ts'
import { type Projection, streamPrefixesOf } from './projection.ts'

/** Small, so that the store goes on sending while a batch is applied: what it may send ahead is bounded. */
const MAX_BATCH = 100

/** Least time between two reports of progress, in milliseconds. */
const REPORT = 100

export interface ReplayProgress {
  /** Events applied so far. */
  readonly events: number
  /** How far the log has been read. */
  readonly position: Position
  /** Where the log ended when the replay began. */
  readonly end: Position
  readonly eventsPerSecond: number
  /** From 0 to 1. */
  readonly fraction: number
}

export interface ReplayOptions {
  readonly log: EventLog
  readonly projections: readonly Projection[]
  readonly onProgress?: (progress: ReplayProgress) => void
  readonly signal?: AbortSignal
}

/**
 * Hands the log to `write` from its start on, until it has caught up or has read the position `until`. Returns the
 * number of events.
 *
 * @throws {StoreUnavailable} and what `write` throws.
 * @throws the reason of the signal, where it is aborted.
 */
export async function replay(
  { log, projections, onProgress, signal }: ReplayOptions,
  write: (batch: LogBatch) => void,
  until: Position = Number.POSITIVE_INFINITY,
): Promise<number> {
  const end = Math.min(until, (await log.lastPosition()) ?? 0)
  const start = performance.now()
  const stop = new AbortController()
  const subscription = log.subscribe({
    after: undefined,
    streamPrefixes: streamPrefixesOf(projections),
    signal: signal ? AbortSignal.any([signal, stop.signal]) : stop.signal,
    maxBatch: MAX_BATCH,
  })
  let count = 0
  let lastReport = start
  for await (const { events, position, caughtUp } of subscription) {
    const wanted = position <= until ? events : events.filter((event) => event.position <= until)
    const reached = Math.min(position, until)
    write({ events: wanted, position: reached, caughtUp })
    count += wanted.length
    const isDone = caughtUp || position >= until
    const now = performance.now()
    if (isDone || now - lastReport >= REPORT) {
      lastReport = now
      const eventsPerSecond = Math.round((count * 1_000) / Math.max(now - start, 1))
      const fraction = isDone || end === 0 ? 1 : Math.min(1, reached / end)
      onProgress?.({ events: count, position: reached, end, eventsPerSecond, fraction })
    }
    if (isDone) break
  }
  stop.abort()
  signal?.throwIfAborted()
  return count
}
