import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Committer, ProposedEvent } from './commit.ts'
import { Any, TOMBSTONE } from './decide.ts'
import { LogClosed } from './errors.ts'
import { reportFault } from './fault.ts'
import type { Log } from './log.ts'
import type { LogCleaner } from './log-cleaner.ts'
import { isMetastream, metastreamOf, originalOf } from './metadata.ts'
import type { Streams } from './stream-state.ts'
import { nowMicros } from './time.ts'

/** Longest work in one go, in milliseconds, and the pause behind it: appends and reads go on in between. */
const SLICE_MS = 5
const PAUSE_MS = 5
const EVENTS_AT_ONCE = 100

/** The log is copied without what is unused when that is so much of it; otherwise later events take the room. */
const UNUSED_WORTH_A_COPY = 1 / 20

const HISTORY = '$scavenges'
const HISTORY_METADATA = '{"$maxAge":2592000,"$acl":{"$r":"$ops","$w":[],"$d":[],"$mr":[],"$mw":[]}}'

type Outcome = 'Success' | 'Stopped' | 'Failed'

interface Running {
  readonly id: string
  readonly finished: Promise<void>
  readonly stopping: AbortController
}

/**
 * Removes what nobody can read any more: events of deleted streams, events that metadata hides, metadata that was
 * replaced. As in EventStoreDB the last event of a stream stays, and so does a tombstone; positions and revisions of
 * what is left do not change. Then the space goes back to the file system. It is safe to kill the process at any time.
 */
export class Scavenger {
  readonly #log: Log
  readonly #streams: Streams
  readonly #committer: Committer
  readonly #endpoint: () => string
  readonly #onLogClosed: (error: LogClosed) => void
  #running: Running | undefined

  /** `onLogClosed` is called when the log cannot be used any more. */
  constructor(
    log: Log,
    streams: Streams,
    committer: Committer,
    endpoint: () => string,
    onLogClosed: (error: LogClosed) => void,
  ) {
    this.#log = log
    this.#streams = streams
    this.#committer = committer
    this.#endpoint = endpoint
    this.#onLogClosed = onLogClosed
  }

  /** The id of the scavenge that runs. */
  get current(): string | undefined {
    return this.#running?.id
  }

  /** Starts one where none runs. Its start and end are written to `$scavenges-<id>`, with links in `$scavenges`. */
  start(): { id: string; isNew: boolean } {
    if (this.#running !== undefined) return { id: this.#running.id, isNew: false }
    const id = randomUUID()
    const stopping = new AbortController()
    const finished = this.#run(id, stopping.signal)
      .catch((error: unknown) => {
        if (error instanceof LogClosed) this.#onLogClosed(error)
        else if (stopping.signal.reason !== CLOSING) reportFault(error)
      })
      .finally(() => {
        this.#running = undefined
      })
    this.#running = { id, finished, stopping }
    return { id, isNew: true }
  }

  /** Stops the running scavenge and waits for its end; undefined when that is not the one. */
  async stop(id: string): Promise<string | undefined> {
    const running = this.#running
    if (running === undefined || (id !== running.id && id !== 'current')) return undefined
    running.stopping.abort()
    await running.finished
    return running.id
  }

  /** Notes the end of a scavenge that a crash ended. */
  noteInterruption(): void {
    const link = this.#log.streamBackwards(HISTORY, TOMBSTONE, 1).events[0]
    const [, stream = ''] = /^\d+@(.*)$/s.exec(link?.data.toString() ?? '') ?? []
    const last = stream === '' ? undefined : this.#log.streamBackwards(stream, TOMBSTONE, 1).events[0]
    if (last?.type !== '$scavengeStarted') return
    const id = stream.slice(HISTORY.length + 1)
    this.#noteEnd(id, 'Failed', 'The node was restarted.', 0, 0).catch(reportFault)
  }

  async #run(id: string, signal: AbortSignal): Promise<void> {
    const begin = performance.now()
    const stream = `${HISTORY}-${id}`
    await this.#write(metastreamOf(stream), systemEvent('$metadata', HISTORY_METADATA))
    const started = systemEvent('$scavengeStarted', JSON.stringify({ scavengeId: id, nodeEndpoint: this.#endpoint() }))
    await this.#writeWithLink(stream, started)
    const sizeBefore = this.#log.size
    let outcome: Outcome = 'Success'
    let problem: string | null = null
    try {
      await this.#log.links.catchUpIfInUse()
      await this.#removeEvents(signal)
      await this.#releaseSpace(signal)
    } catch (error) {
      if (error instanceof LogClosed) throw error
      outcome = signal.aborted ? 'Stopped' : 'Failed'
      if (!signal.aborted) problem = `Error while scavenging DB: ${error instanceof Error ? error.message : error}.`
    }
    if (signal.reason === CLOSING) return
    const saved = Math.max(0, sizeBefore - this.#log.size)
    await this.#noteEnd(id, outcome, problem, performance.now() - begin, saved)
  }

  /** The node stops; the scavenge ends with the turn of the event loop. */
  close(): void {
    this.#running?.stopping.abort(CLOSING)
  }

  async #removeEvents(signal: AbortSignal): Promise<void> {
    const cleaner = this.#log.cleaner()
    const point = this.#log.lastPosition
    const now = nowMicros()
    this.#log.transaction(() => cleaner.keepPosition(point))
    let stream = cleaner.streamBehind('')
    while (stream !== undefined) {
      let next: string | undefined = stream
      this.#log.transaction(() => {
        for (const deadline = performance.now() + SLICE_MS; next !== undefined && performance.now() < deadline; ) {
          if (this.#removeSome(cleaner, next, point, now)) next = cleaner.streamBehind(next)
        }
      })
      stream = next
      await pause(signal)
    }
  }

  /** Removes events from the start of a stream; true when nothing is left to be removed from it. */
  #removeSome(cleaner: LogCleaner, stream: string, point: number, now: number): boolean {
    const removable = this.#removable(stream, now)
    if (removable === undefined) return true
    const { from, since } = removable
    const oldest = cleaner.oldestOf(stream, EVENTS_AT_ONCE)
    for (const event of oldest) {
      const { position, revision, created } = event
      if (position > point || (revision >= from && created >= since) || revision > removable.last) return true
      cleaner.remove(event)
    }
    if (oldest.length === EVENTS_AT_ONCE) return false
    // Only metadata of a tombstoned stream goes as a whole.
    this.#streams.forget(stream)
    return true
  }

  /** What of a stream may go: events up to `last` that are before the revision `from` or older than `since`. */
  #removable(stream: string, now: number): { last: number; from: number; since: number } | undefined {
    const last = this.#log.lastRevision(stream)
    if (isMetastream(stream) && this.#log.lastRevision(originalOf(stream)) === TOMBSTONE) {
      return { last, from: last + 1, since: 0 }
    }
    const beforeLast = last === TOMBSTONE ? Number.MAX_SAFE_INTEGER : last - 1
    if (isMetastream(stream) || last === TOMBSTONE) return { last: beforeLast, from: last, since: 0 }
    if (this.#log.lastRevision(metastreamOf(stream)) < 0) return undefined
    return { last: beforeLast, ...this.#streams.readable(stream, now) }
  }

  async #releaseSpace(signal: AbortSignal): Promise<void> {
    if (this.#log.cleaner().unused < UNUSED_WORTH_A_COPY) return
    await this.#log.rewrite(() => pause(signal), SLICE_MS)
  }

  #noteEnd(id: string, result: Outcome, error: string | null, tookMs: number, spaceSaved: number): Promise<void> {
    const data = {
      scavengeId: id,
      nodeEndpoint: this.#endpoint(),
      result,
      error,
      timeTaken: timeSpan(tookMs),
      spaceSaved,
      maxChunkScavenged: 0,
    }
    return this.#writeWithLink(`${HISTORY}-${id}`, systemEvent('$scavengeCompleted', JSON.stringify(data)))
  }

  async #writeWithLink(stream: string, event: ProposedEvent): Promise<void> {
    const revision = await this.#write(stream, event)
    await this.#write(HISTORY, { ...systemEvent('$>', `${revision}@${stream}`), json: false })
  }

  #write(stream: string, event: ProposedEvent): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#committer.write({
        kind: 'append',
        stream,
        expected: Any,
        events: [event],
        answer: (result) => {
          if (result.kind === 'done') resolve(result.revision)
          else reject(new Error(`${event.type} of ${stream} could not be written: ${result.kind}`))
        },
      })
    })
  }
}

const CLOSING = new Error('The node is shutting down')

const systemEvent = (type: string, text: string): ProposedEvent => ({
  id: randomUUID(),
  type,
  json: true,
  metadata: Buffer.alloc(0),
  data: Buffer.from(text),
})

async function pause(signal: AbortSignal): Promise<void> {
  await sleep(PAUSE_MS)
  signal.throwIfAborted()
}

/** .NET's text of a time span: `hh:mm:ss.fffffff`. */
const timeSpan = (ms: number): string => new Date(ms).toISOString().slice(11, 23).padEnd(16, '0')
