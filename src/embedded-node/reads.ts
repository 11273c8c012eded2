import { status } from '@grpc/grpc-js'
import type { CompiledFilter } from './filter.ts'
import type { EventWriter } from './links.ts'
import type { Log } from './log.ts'
import type { LogEvent, Page } from './log-event.ts'
import type { Outbox } from './outbox.ts'
import type { AllRead, StreamRead } from './read-request.ts'
import { streamNotFound } from './read-responses.ts'
import { Failure, streamDeleted } from './status.ts'
import type { Streams } from './stream-state.ts'
import { nowMicros } from './time.ts'
import type { Turns } from './turns.ts'

/** Positions scanned for a filtered page before others get their turn. */
const SCAN = 4_096

/** Counted reads of a stream or of `$all`. They are paged, so they are no snapshots: what is written meanwhile may show. */
export class Reads {
  readonly #log: Log
  readonly #streams: Streams
  readonly #writer: EventWriter
  readonly #turns: Turns

  constructor(log: Log, streams: Streams, writer: EventWriter, turns: Turns) {
    this.#log = log
    this.#streams = streams
    this.#writer = writer
    this.#turns = turns
  }

  async stream(request: StreamRead, outbox: Outbox): Promise<void> {
    const { stream, from, backwards, count, form, resolveLinks } = request
    if (count === 0 || (from === 'end' && !backwards)) {
      throw new Failure(status.UNKNOWN, 'Unexpected ReadStreamResult: Error')
    }
    if (this.#streams.isTombstoned(stream)) throw streamDeleted(stream)
    if (this.#streams.isMissing(stream)) {
      await outbox.send([streamNotFound(stream)])
      return
    }
    const readable = this.#streams.readable(stream, nowMicros())
    const start = from === 'end' ? this.#streams.last(stream) : from
    let next = backwards ? start : Math.max(start, readable.from)
    const pages = (limit: number): Page =>
      backwards ? this.#log.streamBackwards(stream, next, limit) : this.#log.streamForwards(stream, next, limit)
    await this.#sendPages(
      count,
      outbox,
      (limit) => {
        const { events, end } = pages(limit)
        const last = events.at(-1)
        if (last !== undefined) next = backwards ? last.revision - 1 : last.revision + 1
        const shown = events.filter(
          ({ revision, created }) =>
            revision >= readable.from && created >= readable.since && Number.isSafeInteger(revision),
        )
        return { events: shown, end: end || next < readable.from }
      },
      (event) => this.#writer.write(event, form, resolveLinks),
    )
  }

  async all(request: AllRead, outbox: Outbox): Promise<void> {
    const { from, backwards, count, filter, form, resolveLinks } = request
    if (from === (backwards ? 'start' : 'end')) return
    const { lastPosition } = this.#log
    let cursor = from === 'start' ? 0 : from === 'end' ? lastPosition + 1 : backwards ? from : from - 1
    const read = (limit: number): Page => {
      if (filter !== undefined) {
        const scan = this.#scan(cursor, backwards, filter, limit)
        cursor = scan.cursor
        return scan
      }
      const page = backwards ? this.#log.allBackwards(cursor, limit) : this.#log.allForwards(cursor, limit)
      cursor = page.events.at(-1)?.position ?? cursor
      return page
    }
    await this.#sendPages(count, outbox, read, (event) => this.#writer.write(event, form, resolveLinks))
  }

  /** One stretch of the log through a filter. */
  #scan(cursor: number, backwards: boolean, filter: CompiledFilter, limit: number): Page & { cursor: number } {
    const { lastPosition } = this.#log
    if (backwards) {
      const start = Math.min(cursor, lastPosition + 1)
      const from = Math.max(start - SCAN, 1)
      const { events, end, paused } = this.#log.filteredBackwards(start, from, filter, limit)
      const reached = end ? from : (paused ?? events.at(-1)?.position ?? from)
      return { events, end: reached <= 1, cursor: reached }
    }
    const upTo = Math.min(cursor + SCAN, lastPosition)
    const { events, end, paused } = this.#log.filteredForwards(cursor, upTo, filter, limit)
    const reached = end ? upTo : (paused ?? events.at(-1)?.position ?? upTo)
    return { events, end: reached >= lastPosition, cursor: reached }
  }

  async #sendPages(
    count: number,
    outbox: Outbox,
    read: (limit: number) => Page,
    write: (event: LogEvent) => Buffer,
  ): Promise<void> {
    let left = count
    while (left > 0 && outbox.isOpen) {
      const { frames, end } = await this.#turns.take(() => {
        const page = read(left)
        return { frames: page.events.map(write), end: page.end }
      })
      left -= frames.length
      if (!(await outbox.send(frames)) || end) return
    }
  }
}
