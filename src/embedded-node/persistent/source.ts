import { exactRevision } from '../decide.ts'
import type { CompiledFilter } from '../filter.ts'
import type { LogEvent } from '../log-event.ts'
import type { Store } from '../sources.ts'
import { streamDeleted } from '../status.ts'
import { nowMicros } from '../time.ts'

export const ALL = '$all'

export interface GroupPage {
  readonly events: readonly LogEvent[]
  /** Where the next page begins. */
  readonly next: number
  /** Whether the log held nothing more. */
  readonly end: boolean
  /** How many events were looked at. */
  readonly considered: number
}

/** What a group follows: a stream or `$all`. A position in it is a revision, or a position of the log. */
export interface GroupSource {
  readonly name: string
  readonly filter: CompiledFilter | undefined
  /** Reads from a position on, which is included. @throws Failure when the stream was tombstoned */
  read(from: number, count: number): GroupPage
  positionOf(event: LogEvent): number
  format(position: number): string
  /** Undefined when it is no position of this source. */
  parse(text: string): number | undefined
  /** The position of the newest event; −1 or 0 when there is none. */
  last(): number
  /** From now on `offer` is called with every committed event, until the returned function is called. */
  listen(offer: (event: LogEvent) => void): () => void
}

/** Reads a stream as any reader does: what its metadata hides is not there. */
export function streamSource({ log, streams, feed }: Store, stream: string): GroupSource {
  return {
    name: stream,
    filter: undefined,
    read: (from, count) => {
      if (streams.isTombstoned(stream)) throw streamDeleted(stream)
      if (streams.isMissing(stream)) return { events: [], next: 0, end: true, considered: 0 }
      const readable = streams.readable(stream, nowMicros())
      const start = Math.max(from, readable.from)
      const { events, end } = log.streamForwards(stream, start, count)
      const last = events.at(-1)
      return {
        events: events.filter(({ created }) => created >= readable.since),
        next: last === undefined ? start : last.revision + 1,
        end: end || (last !== undefined && last.revision >= streams.last(stream)),
        considered: events.length,
      }
    },
    positionOf: ({ revision }) => revision,
    format: (revision) => String(exactRevision(revision)),
    parse: (text) => (/^-?\d+$/.test(text) ? Number(text) : undefined),
    last: () => streams.last(stream),
    listen: (offer) => feed.listenTo(stream, { offer }),
  }
}

/** Positions looked at for one page through a filter. */
const WINDOW = 512

/** Reads `$all`, through a filter where there is one. */
export function allSource({ log, feed }: Store, filter: CompiledFilter | undefined): GroupSource {
  return {
    name: ALL,
    filter,
    read: (from, count) => {
      if (filter === undefined) {
        const { events, end } = log.allForwards(from - 1, count)
        return { events, next: (events.at(-1)?.position ?? from - 1) + 1, end, considered: events.length }
      }
      const upTo = Math.min(from - 1 + WINDOW, log.lastPosition)
      const { events, end, paused } = log.filteredForwards(from - 1, upTo, filter, count)
      const reached = end ? upTo : (paused ?? events.at(-1)?.position ?? upTo)
      const next = Math.max(reached + 1, from)
      return { events, next, end: next > log.lastPosition, considered: next - from }
    },
    positionOf: ({ position }) => position,
    format: (position) => `C:${position}/P:${position}`,
    parse: (text) => {
      const commit = /^C:(-?\d+)\/P:-?\d+$/.exec(text)?.[1]
      return commit === undefined ? undefined : Number(commit)
    },
    last: () => log.lastPosition,
    listen: (offer) => feed.listenToAll({ offer }),
  }
}
