import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import type { Committer, ProposedEvent } from '../commit.ts'
import { Any, exactRevision } from '../decide.ts'
import { LINK } from '../links.ts'
import type { LogEvent } from '../log-event.ts'
import { metastreamOf } from '../metadata.ts'
import type { Store } from '../sources.ts'
import { nowMicros } from '../time.ts'
import type { Message } from './consumer.ts'
import { dotnetJson } from './dotnet-json.ts'

const CHECKPOINT_TYPE = 'SubscriptionCheckpoint'
const checkpoint = z
  .string()
  .regex(/^"[^"]*"$/)
  .transform((text) => text.slice(1, -1))
const PARKED_ACL = { $r: '$admins', $w: '$admins', $d: '$admins', $mr: '$admins', $mw: '$admins' }

/** What a group keeps in the log, in streams named as EventStoreDB names them: its checkpoint and its parked messages. */
export class GroupStorage {
  readonly key: string
  readonly #store: Store
  readonly #committer: Committer
  readonly #checkpointStream: string
  readonly #parkedStream: string
  #isSaving = false
  /** The checkpoint to save after the one that is being saved. */
  #nextCheckpoint: string | undefined
  #lastParked = -1
  #truncatedBefore = -1

  /** `key` is `<stream>::<group>`. */
  constructor(store: Store, committer: Committer, key: string) {
    this.key = key
    this.#store = store
    this.#committer = committer
    this.#checkpointStream = `$persistentsubscription-${key}-checkpoint`
    this.#parkedStream = `$persistentsubscription-${key}-parked`
  }

  /** As the real server counts: what lies between the first and the last parked message, as far as it knows of them. */
  get parkedCount(): number {
    if (this.#lastParked === -1) return 0
    return this.#truncatedBefore === -1 ? this.#lastParked + 1 : this.#lastParked - this.#truncatedBefore + 1
  }

  /** The newest checkpoint, or undefined when there is none. */
  loadCheckpoint(): string | undefined {
    const event = this.#newest(this.#checkpointStream)
    if (event?.type !== CHECKPOINT_TYPE) return undefined
    return checkpoint.safeParse(event.data.toString('utf8')).data
  }

  /** Writes a checkpoint, or the newest one that is asked for while another is on its way. */
  saveCheckpoint(position: string): void {
    if (this.#isSaving) {
      this.#nextCheckpoint = position
      return
    }
    this.#isSaving = true
    const event = proposed(CHECKPOINT_TYPE, true, dotnetJson(position))
    this.#append(this.#checkpointStream, event, () => {
      this.#isSaving = false
      const next = this.#nextCheckpoint
      this.#nextCheckpoint = undefined
      if (next !== undefined) this.saveCheckpoint(next)
    })
  }

  /** Counts the parked messages of before. */
  loadParked(): void {
    const last = this.lastParked()
    if (last === undefined) return
    const { from } = this.#store.streams.readable(this.#parkedStream, nowMicros())
    if (from > last) return
    this.#truncatedBefore = from
    this.#lastParked = last
  }

  /** The revision of the last message ever parked, or undefined when there is none. */
  lastParked(): number | undefined {
    const { streams } = this.#store
    if (streams.isTombstoned(this.#parkedStream) || streams.isMissing(this.#parkedStream)) return undefined
    return streams.last(this.#parkedStream)
  }

  /** Some parked messages, from a revision on and before another, in order. */
  readParked(from: number, before: number): readonly LogEvent[] {
    const readable = this.#store.streams.readable(this.#parkedStream, nowMicros())
    const start = Math.max(from, readable.from)
    const { events } = this.#store.log.streamForwards(this.#parkedStream, start, Math.max(before - start, 0))
    return events
  }

  /** Writes a link to the message's event. `done` is told whether that succeeded. */
  park({ event, original }: Message, reason: string, done: (parked: boolean) => void): void {
    const data = event === undefined ? original.data : Buffer.from(`${exactRevision(event.revision)}@${event.stream}`)
    const added = new Date().toISOString()
    const metadata = dotnetJson({ added, reason, subscriptionEventNumber: original.revision })
    this.#append(this.#parkedStream, proposed(LINK, false, data, metadata), (revision) => {
      if (revision !== undefined) this.#lastParked = revision
      done(revision !== undefined)
    })
  }

  /** Parked messages before a revision are not parked any longer. */
  truncateParked(before: number): void {
    const metadata = proposed('$metadata', true, dotnetJson({ $tb: before, $acl: PARKED_ACL }))
    this.#append(metastreamOf(this.#parkedStream), metadata, (revision) => {
      if (revision !== undefined) this.#truncatedBefore = before
    })
  }

  /** Nothing is saved behind this: it would bring the stream back. */
  delete(): void {
    this.#nextCheckpoint = undefined
    for (const stream of [this.#checkpointStream, this.#parkedStream]) {
      this.#committer.write({ kind: 'delete', stream, expected: Any, events: [], answer: () => {} })
    }
  }

  #append(stream: string, event: ProposedEvent, done: (revision: number | undefined) => void): void {
    const answer: Parameters<Committer['write']>[0]['answer'] = (result) =>
      done(result.kind === 'done' ? result.revision : undefined)
    this.#committer.write({ kind: 'append', stream, expected: Any, events: [event], answer })
  }

  #newest(stream: string): LogEvent | undefined {
    const { streams } = this.#store
    if (streams.isTombstoned(stream) || streams.isMissing(stream)) return undefined
    return streams.readableAt(stream, streams.last(stream), nowMicros())
  }
}

function proposed(type: string, json: boolean, data: Buffer, metadata: Buffer = Buffer.alloc(0)): ProposedEvent {
  return { id: randomUUID(), type, json, metadata, data }
}
