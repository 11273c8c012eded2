import { TOMBSTONE } from './decide.ts'
import type { EventWriter } from './links.ts'
import type { LiveFeed } from './live-feed.ts'
import type { Log } from './log.ts'
import type { LogEvent } from './log-event.ts'
import { metastreamOf } from './metadata.ts'
import type { AllSubscription, StreamSubscription } from './read-request.ts'
import { checkpoint } from './read-responses.ts'
import { streamDeleted } from './status.ts'
import type { Streams } from './stream-state.ts'
import type { Source, Stretch } from './subscription.ts'
import { nowMicros } from './time.ts'

/** Events considered for one stretch of the log. */
const STRETCH_EVENTS = 512
const STRETCH_BYTES = 256 * 1024

/** What the sources of a node share. */
export interface Store {
  readonly log: Log
  readonly streams: Streams
  readonly feed: LiveFeed
  readonly writer: EventWriter
}

/** A stream from behind a revision on. */
export class StreamSource implements Source {
  readonly #store: Store
  readonly #request: StreamSubscription
  /** The last revision that was taken. */
  #cursor: number
  /** Whether the stream was followed live: from then on metadata hides nothing of what comes. */
  #wasLive: boolean

  constructor(store: Store, request: StreamSubscription) {
    this.#store = store
    this.#request = request
    const { from, stream } = request
    this.#wasLive = from === 'end'
    this.#cursor = from === 'start' ? -1 : from === 'end' ? store.streams.last(stream) : from
  }

  read(): Stretch {
    const { log, streams, writer } = this.#store
    const { stream, form, resolveLinks } = this.#request
    if (!this.#wasLive && streams.isTombstoned(stream)) throw streamDeleted(stream)
    if (!this.#wasLive && streams.isMissing(stream)) return { frames: [], state: 'absent' }
    // From the end of a stream that was tombstoned before: nothing comes, not even an error.
    if (this.#cursor === TOMBSTONE) return { frames: [], state: 'end' }
    const readable = this.#wasLive ? { from: 0, since: 0 } : streams.readable(stream, nowMicros())
    const page = log.streamForwards(stream, Math.max(this.#cursor + 1, readable.from), STRETCH_EVENTS)
    this.#cursor = page.events.at(-1)?.revision ?? this.#cursor
    if (page.end) {
      this.#wasLive = true
      this.#cursor = Math.max(this.#cursor, streams.last(stream))
    }
    const frames = page.events
      .filter((event) => event.created >= readable.since)
      .map((event) => writer.write(event, form, resolveLinks))
    return { frames, state: page.end ? 'end' : 'more', failure: endOf(page.events.at(-1)) }
  }

  take(event: LogEvent): Omit<Stretch, 'state'> {
    const { form, resolveLinks, stream } = this.#request
    if (event.stream !== stream || event.revision <= this.#cursor) return { frames: [] }
    this.#cursor = event.revision
    return { frames: [this.#store.writer.writeShared(event, form, resolveLinks)], failure: endOf(event) }
  }

  /** The metastream matters too: it can make a deleted stream readable again. */
  listen(offer: (event: LogEvent) => void): () => void {
    const { feed } = this.#store
    const { stream } = this.#request
    const stops = [feed.listenTo(stream, { offer }), feed.listenTo(metastreamOf(stream), { offer })]
    return () => {
      for (const stop of stops) stop()
    }
  }
}

/** A tombstone is delivered, and nothing comes behind it. */
const endOf = (event: LogEvent | undefined): Error | undefined =>
  event?.revision === TOMBSTONE ? streamDeleted(event.stream) : undefined

/** `$all` from behind a position on, through a filter where there is one. */
export class AllSource implements Source {
  readonly #store: Store
  readonly #request: AllSubscription
  /** The last position that was considered. */
  #cursor: number
  /** Events considered since the last checkpoint. */
  #considered = 0

  constructor(store: Store, request: AllSubscription) {
    this.#store = store
    this.#request = request
    const { from } = request
    this.#cursor = from === 'start' ? 0 : from === 'end' ? store.log.lastPosition : from
  }

  read(): Stretch {
    const { log, writer } = this.#store
    const { form, resolveLinks, filter } = this.#request
    if (filter !== undefined) return this.#readFiltered()
    const page = log.allForwards(this.#cursor, STRETCH_EVENTS)
    this.#cursor = page.events.at(-1)?.position ?? this.#cursor
    return {
      frames: page.events.map((event) => writer.write(event, form, resolveLinks)),
      state: page.end ? 'end' : 'more',
    }
  }

  take(event: LogEvent): Omit<Stretch, 'state'> {
    const { form, resolveLinks, filter } = this.#request
    if (event.position <= this.#cursor) return { frames: [] }
    this.#cursor = event.position
    if (filter === undefined) return { frames: [this.#store.writer.writeShared(event, form, resolveLinks)] }
    const frames = filter.test(event) ? [this.#store.writer.writeShared(event, form, resolveLinks)] : []
    return { frames: [...frames, ...this.#checkpointAfter(1)] }
  }

  listen(offer: (event: LogEvent) => void): () => void {
    return this.#store.feed.listenToAll({ offer })
  }

  /**
   * Reads in steps that end where a checkpoint is due. Positions are dense but for empty appends, so a step of
   * positions is a step of events considered.
   */
  #readFiltered(): Stretch {
    const { log, writer } = this.#store
    const { form, resolveLinks, filter, checkpointInterval } = this.#request
    const frames: Buffer[] = []
    let bytes = 0
    const stop = this.#cursor + STRETCH_EVENTS
    while (filter !== undefined && this.#cursor < Math.min(stop, log.lastPosition) && bytes < STRETCH_BYTES) {
      const upTo = Math.min(stop, log.lastPosition, this.#cursor + checkpointInterval - this.#considered)
      const page = log.filteredForwards(this.#cursor, upTo, filter, STRETCH_EVENTS)
      for (const event of page.events) {
        const frame = writer.write(event, form, resolveLinks)
        frames.push(frame)
        bytes += frame.length
      }
      const reached = page.end ? upTo : (page.paused ?? page.events.at(-1)?.position ?? upTo)
      const step = reached - this.#cursor
      this.#cursor = reached
      frames.push(...this.#checkpointAfter(step))
      if (page.paused !== undefined) break
    }
    return { frames, state: this.#cursor >= log.lastPosition ? 'end' : 'more' }
  }

  #checkpointAfter(considered: number): readonly Buffer[] {
    this.#considered += considered
    if (this.#considered < this.#request.checkpointInterval) return []
    this.#considered = 0
    return [checkpoint(this.#cursor)]
  }
}
