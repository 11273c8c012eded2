import type { Position, RawEvent, RecordedEvent } from './event.ts'
import type { Appended, EventLog, EventSink, EventSource, LogBatch, SubscribeOptions } from './event-store.ts'
import { initialVersion, type Precondition, verify } from './precondition.ts'
import { type Snapshot, type SnapshotSink, type SnapshotSource, snapshotSchema } from './snapshot.ts'

/** A whole event store in memory: for tests, and for what may be lost. Positions are 1, 2, 3, … */
export function memoryEventStore(): EventSink & EventSource & EventLog {
  const log: RecordedEvent[] = []
  const streams = new Map<string, RecordedEvent[]>()
  const waiting: (() => void)[] = []
  const wakeAll = () => {
    for (const wake of waiting.splice(0)) wake()
  }

  const eventsOf = (stream: string): readonly RecordedEvent[] => streams.get(stream) ?? []

  function record(stream: string, { id, type, data, metadata }: RawEvent): RecordedEvent {
    const stored = streams.get(stream) ?? []
    streams.set(stream, stored)
    const place = { stream, number: stored.length + 1, position: log.length + 1, created: new Date() }
    const event: RecordedEvent = { id, type, ...throughJson({ data, metadata }), ...place }
    stored.push(event)
    log.push(event)
    return event
  }

  return {
    async append(stream, events, precondition) {
      const repeated = lastOfRepeated(eventsOf(stream), events, precondition)
      if (repeated) return appended(repeated)
      verify(precondition, stream, eventsOf(stream).length)
      const [first, ...rest] = events
      let last = record(stream, first)
      for (const event of rest) last = record(stream, event)
      wakeAll()
      return appended(last)
    },
    async *read(stream, since = initialVersion, maxCount) {
      yield* eventsOf(stream).slice(since, maxCount === undefined ? undefined : since + maxCount)
    },
    async *readBackwards(stream, before = 'end', maxCount) {
      const events = eventsOf(stream)
      yield* events
        .slice(0, before === 'end' ? events.length : before - 1)
        .reverse()
        .slice(0, maxCount)
    },
    async *subscribe({ after = 0, streamPrefixes, signal, maxBatch }: SubscribeOptions): AsyncIterable<LogBatch> {
      let [position, wasCaughtUp] = [after, false]
      signal.addEventListener('abort', wakeAll, { once: true })
      try {
        while (!signal.aborted) {
          const { events, end } = nextEvents(log, position, streamPrefixes, maxBatch)
          const caughtUp = end >= log.length
          const hasNews = end > position || caughtUp !== wasCaughtUp
          ;[position, wasCaughtUp] = [end, caughtUp]
          if (hasNews) yield { events, position, caughtUp }
          else await new Promise<void>((resolve) => waiting.push(resolve))
        }
      } finally {
        signal.removeEventListener('abort', wakeAll)
      }
    },
    async lastPosition() {
      return log.at(-1)?.position
    },
    async eventAt(position) {
      return log.find((event) => event.position === position)
    },
  }
}

export function memorySnapshotStore(): SnapshotSource & SnapshotSink {
  const snapshots = new Map<string, string>()
  return {
    async getSnapshot(stream) {
      const stored = snapshots.get(stream)
      return stored === undefined ? undefined : snapshotSchema.parse(JSON.parse(stored))
    },
    async persistSnapshot(stream, snapshot: Snapshot) {
      snapshots.set(stream, JSON.stringify(snapshot))
    },
  }
}

/** What comes back is what JSON keeps of it, as from any store. */
function throughJson(parts: Pick<RawEvent, 'data' | 'metadata'>): { data: unknown; metadata: unknown } {
  return JSON.parse(JSON.stringify(parts))
}

function appended({ number, position, created }: RecordedEvent): Appended {
  return { lastNumber: number, position, recordedAt: async () => created }
}

/**
 * The last of the events where they all were appended before, one behind the other. EventStoreDB looks for them where
 * the precondition expects them (https://docs.kurrent.io/clients/grpc/appending-events.html#idempotence).
 */
function lastOfRepeated(
  stored: readonly RecordedEvent[],
  events: readonly RawEvent[],
  precondition: Precondition | undefined,
): RecordedEvent | undefined {
  const start = startOf(stored, events, precondition)
  const isRepeated = start >= 0 && events.every(({ id }, index) => stored[start + index]?.id === id)
  return isRepeated ? stored[start + events.length - 1] : undefined
}

function startOf(
  stored: readonly RecordedEvent[],
  [first]: readonly RawEvent[],
  precondition: Precondition | undefined,
): number {
  if (precondition === 'new') return 0
  if (typeof precondition === 'object') return precondition.version
  return stored.findIndex(({ id }) => id === first?.id)
}

/** The next events to deliver, and the position up to which that is all of them. */
function nextEvents(
  log: readonly RecordedEvent[],
  after: Position,
  prefixes: readonly string[],
  maxBatch: number,
): { events: RecordedEvent[]; end: Position } {
  const events: RecordedEvent[] = []
  let end = after
  while (end < log.length && events.length < maxBatch) {
    const event = log[end++]
    if (event && prefixes.some((prefix) => event.stream.startsWith(prefix))) events.push(event)
  }
  return { events, end }
}
