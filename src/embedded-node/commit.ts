import { randomUUID } from 'node:crypto'
import { CommitQueue } from './commit-queue.ts'
import { isReadOnly } from './computed-streams.ts'
import { type Decision, decideAppend, decideDelete, decideTombstone, type Expected, TOMBSTONE } from './decide.ts'
import { reportFault } from './fault.ts'
import type { Log } from './log.ts'
import type { LogEvent } from './log-event.ts'
import { isMetastream, metastreamOf, originalOf, SOFT_DELETE_BODY, withTruncateBefore } from './metadata.ts'
import type { RecentIds } from './recent-ids.ts'
import { CommitCounters, type Statistics } from './statistics.ts'
import type { Streams } from './stream-state.ts'
import { nowMicros } from './time.ts'

export interface ProposedEvent {
  readonly id: string
  readonly type: string
  readonly json: boolean
  readonly metadata: Buffer
  readonly data: Buffer
}

export type WriteResult =
  /** `revision` is −1 for an empty append to a stream without events; no `position` where metadata hides the event. */
  | { readonly kind: 'done'; readonly revision: number; readonly position: number | undefined }
  | { readonly kind: 'wrong-version'; readonly current: number }
  | { readonly kind: 'deleted' }
  /** The stream is computed. */
  | { readonly kind: 'read-only' }
  /** Too much waits for the disk; nothing was written. */
  | { readonly kind: 'busy' }
  /** Nothing was written, as far as this node can tell: the disk is full or broken, or the node stops. */
  | { readonly kind: 'failed'; readonly reason: string; readonly stopping: boolean }

export interface WriteRequest {
  readonly kind: 'append' | 'delete' | 'tombstone'
  readonly stream: string
  readonly expected: Expected
  /** Of an append. */
  readonly events: readonly ProposedEvent[]
  /** Called once, after the commit. */
  answer(result: WriteResult): void
}

const PROBE_MS = 1_000
const IDLE_MS = 2_000

/**
 * The only writer. Requests that arrive while a commit runs wait and share the next one: one transaction, one fsync,
 * then all answers, in the order of arrival. Committed events go to `publish` in the order of the log before the answers do.
 */
export class Committer {
  readonly #log: Log
  readonly #streams: Streams
  readonly #recent: RecentIds
  readonly #publish: (events: readonly LogEvent[]) => void
  readonly #counters = new CommitCounters()
  readonly #queue: CommitQueue<WriteRequest>
  #scheduled = false
  #stopped = false
  #idle: NodeJS.Timeout | undefined
  /** Why writes are refused since the last I/O error, and until when without another try. */
  #broken: { reason: string; until: number } | undefined

  constructor(
    log: Log,
    streams: Streams,
    recent: RecentIds,
    publish: (events: readonly LogEvent[]) => void,
    queue = new CommitQueue<WriteRequest>(),
  ) {
    this.#log = log
    this.#queue = queue
    this.#streams = streams
    this.#recent = recent
    this.#publish = publish
  }

  get statistics(): Statistics {
    return this.#counters
  }

  /** For clients: answers with `busy` while too much waits. */
  writeForClient(request: WriteRequest): void {
    if (this.#queue.isFull && !this.#stopped) request.answer({ kind: 'busy' })
    else this.write(request)
  }

  /** For the node itself, which asks for little and does not come again. */
  write(request: WriteRequest): void {
    if (this.#stopped) {
      request.answer(STOPPING)
      return
    }
    if (isReadOnly(request.stream)) {
      request.answer({ kind: 'read-only' })
      return
    }
    this.#queue.push(request)
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(() => this.#turn())
  }

  /** Refuses what has not been committed, and everything from now on. */
  stop(): void {
    this.#stopped = true
    clearTimeout(this.#idle)
    for (const request of this.#queue.takeAll()) request.answer(STOPPING)
  }

  #turn(): void {
    this.#scheduled = false
    const batch = this.#queue.takeBatch()
    if (batch.length === 0) return
    if (!this.#queue.isEmpty) {
      this.#scheduled = true
      setImmediate(() => this.#turn())
    }
    const written: LogEvent[] = []
    const results: WriteResult[] = []
    const { lastPosition } = this.#log
    try {
      this.#probe()
      const seconds = this.#log.transaction(() => {
        for (const request of batch) results.push(this.#execute(request, written))
      })
      if (this.#log.lastPosition > lastPosition) this.#counters.count(batch.length, written.length, seconds)
    } catch (error) {
      for (const event of written) this.#recent.forget(event)
      this.#fail(batch, error)
      return
    }
    this.#broken = undefined
    this.#publish(written)
    for (const [index, result] of results.entries()) batch[index]?.answer(result)
    this.#checkpointWhenIdle()
  }

  #execute(request: WriteRequest, written: LogEvent[]): WriteResult {
    const { stream, kind } = request
    const decision = this.#decide(request)
    if (decision.kind === 'wrong-version' || decision.kind === 'deleted') return decision
    if (decision.kind === 'replay') {
      const event = this.#streams.readableAt(stream, decision.last, nowMicros())
      return { kind: 'done', revision: decision.last, position: event?.position }
    }
    if (kind === 'tombstone') return this.#append(stream, TOMBSTONE, [systemEvent('$streamDeleted')], written)
    if (kind === 'delete') return this.#appendMetadata(stream, SOFT_DELETE_BODY, written)
    const original = isMetastream(stream) ? this.#streams.state(originalOf(stream)) : undefined
    const last = this.#streams.last(stream)
    const result = this.#append(stream, last + 1, request.events, written)
    if (decision.undelete) this.#undelete(stream, last + 1, written)
    if (original?.softDeleted === true && original.last !== TOMBSTONE) {
      this.#undelete(originalOf(stream), original.last + 1, written)
    }
    return result
  }

  #decide({ kind, stream, expected, events }: WriteRequest): Decision {
    const state = this.#streams.state(stream)
    if (kind === 'delete') return decideDelete(stream, expected, state)
    if (kind === 'tombstone') return decideTombstone(stream, expected, state)
    const ids = events.map((event) => event.id)
    return decideAppend(stream, expected, ids, state, {
      recent: (id) => this.#recent.get(id),
      idAt: (revision) => this.#log.idAt(stream, revision),
    })
  }

  #append(stream: string, first: number, events: readonly ProposedEvent[], written: LogEvent[]): WriteResult {
    if (events.length === 0) return { kind: 'done', revision: first - 1, position: this.#log.takePosition() }
    const created = nowMicros()
    let revision = first
    let position = 0
    for (const { id, type, json, metadata, data } of events) {
      const event = this.#log.insert({ stream, revision, type, id, json, created, metadata, data })
      written.push(event)
      this.#recent.add(event)
      this.#streams.written(event)
      position = event.position
      revision++
    }
    return { kind: 'done', revision: revision - 1, position }
  }

  #appendMetadata(stream: string, body: Buffer, written: LogEvent[]): WriteResult {
    const metastream = metastreamOf(stream)
    return this.#append(metastream, this.#log.lastRevision(metastream) + 1, [systemEvent('$metadata', body)], written)
  }

  /** The first write to a soft-deleted stream makes what follows readable; what was before stays hidden. */
  #undelete(stream: string, firstRevision: number, written: LogEvent[]): void {
    const metastream = metastreamOf(stream)
    const current = this.#log.at(metastream, this.#log.lastRevision(metastream))
    const body = current === undefined ? undefined : withTruncateBefore(current.data, firstRevision)
    if (body !== undefined) this.#appendMetadata(stream, body, written)
  }

  #probe(): void {
    if (this.#broken !== undefined && Date.now() < this.#broken.until) throw new Error(this.#broken.reason)
  }

  /** After an I/O error nothing of the batch is acknowledged, and the next try waits a little. */
  #fail(batch: readonly WriteRequest[], error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error)
    if (this.#broken === undefined || Date.now() >= this.#broken.until) {
      this.#broken = { reason, until: Date.now() + PROBE_MS }
      reportFault(error)
    }
    this.#streams.clear()
    for (const request of batch) request.answer({ kind: 'failed', reason, stopping: false })
  }

  #checkpointWhenIdle(): void {
    if (this.#idle !== undefined) this.#idle.refresh()
    else this.#idle = setTimeout(() => this.#checkpoint(), IDLE_MS).unref()
  }

  #checkpoint(): void {
    try {
      this.#log.checkpoint()
    } catch (error) {
      // The write-ahead log still has everything; the next checkpoint tries again.
      reportFault(error)
    }
  }
}

const STOPPING: WriteResult = { kind: 'failed', reason: 'The node is shutting down', stopping: true }

function systemEvent(type: string, data: Buffer = Buffer.alloc(0)): ProposedEvent {
  return { id: randomUUID(), type, json: data.length > 0, metadata: Buffer.alloc(0), data }
}
