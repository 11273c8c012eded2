import { THEN } from '../recordings/group-operations.ts'
import type { Append, Json, Operation, Read, ReadAll, Scenario } from '../recordings/operations.ts'
import {
  At,
  appendConflict,
  type Content,
  conflict,
  content,
  deleted,
  isMeta,
  type Metadata,
  metadataEvent,
  numberOf,
  parseMetadata,
  passes,
  positionsIn,
  ranked,
  recorded,
  type Stored,
} from './model-events.ts'

type Subscribe = Extract<Operation, { op: 'subscribe' }>
type Expect = Append['expect']

/** What the outcomes of a scenario must be, by the description of EventStoreDB alone. */
export function predict(scenario: Pick<Scenario, 'steps'>): Json[] {
  const model = new Model()
  const outcomes = scenario.steps.map(({ op }) => model.execute(op))
  const seen = [...new Set(positionsIn(outcomes))].sort((a, b) => a - b)
  return outcomes.map((outcome) => ranked(outcome, seen))
}

/**
 * EventStoreDB as its documentation and its recordings describe it: a list of events and rules that look at it. It does
 * what is simplest, knows nothing of the embedded node and shares no code with it.
 */
class Model {
  readonly #log: Stored[] = []
  readonly #marks = new Map<string, number>()
  #position = 0
  #now = 0

  execute(op: Operation): unknown {
    if (op.op === 'append') return this.#append(op)
    if (op.op === 'setMeta') return this.#setMeta(op.stream, op.meta, op.expect)
    if (op.op === 'delete') return this.#delete(op.stream, op.expect)
    if (op.op === 'tombstone') return this.#tombstone(op.stream, op.expect)
    if (op.op === 'read') return this.#read(op)
    if (op.op === 'readAll') return this.#readAll(op)
    if (op.op === 'subscribe') return this.#subscribe(op)
    if (op.op === 'sleep') {
      this.#now += op.ms
      return {}
    }
    throw new Error(`The model does not know ${op.op}`)
  }

  // Writes

  #append({ stream, events, expect, mark }: Append): unknown {
    const contents = events.map(content)
    if (contents.reduce((sum, { size }) => sum + size, 0) > 1024 * 1024) {
      return { error: 'maximum-append-size-exceeded', maxAppendSize: '1048576' }
    }
    const ids = events.map(({ id }) => id)
    const decision = this.#decide(stream, expect, ids)
    if (decision === 'deleted') return deleted(stream)
    if (decision === 'conflict') return appendConflict(stream, expect, this.#last(stream))
    if (typeof decision === 'number') {
      const event = this.#readable(stream).find(({ revision }) => revision === decision)
      if (mark !== undefined && event !== undefined) this.#marks.set(mark, event.position)
      return { next: String(decision), position: event === undefined ? 'none' : new At(event.position) }
    }
    const softDeleted = this.#isSoftDeleted(stream)
    const original = isMeta(stream) && this.#isSoftDeleted(stream.slice(2)) ? stream.slice(2) : undefined
    const first = this.#last(stream) + 1
    for (const each of contents) this.#store(stream, each)
    if (contents.length === 0) this.#position++
    const position = this.#position
    if (mark !== undefined) this.#marks.set(mark, position)
    if (softDeleted) this.#undelete(stream, first)
    if (original !== undefined && !this.#isTombstoned(original)) this.#undelete(original, this.#last(original) + 1)
    // The client takes an empty append to a new stream for one at revision 0.
    return { next: String(Math.max(0, first + contents.length - 1)), position: new At(position) }
  }

  #setMeta(stream: string, meta: Record<string, Json>, expect: Expect): unknown {
    const names: Record<string, string> = { maxCount: '$maxCount', maxAge: '$maxAge', truncateBefore: '$tb' }
    const data = Object.fromEntries(Object.entries(meta).map(([key, value]) => [names[key] ?? key, value]))
    const events = [{ id: 'server', type: '$metadata', data }]
    const outcome = this.#append({ op: 'append', stream: `$$${stream}`, events, expect, classic: false })
    if (typeof outcome !== 'object' || outcome === null || !('next' in outcome)) return outcome
    return { next: outcome.next }
  }

  #delete(stream: string, expect: Expect): unknown {
    const refusal = this.#refusalOfDelete(stream, expect)
    if (refusal !== undefined) return refusal
    if (this.#last(stream) < 0 && this.#last(`$$${stream}`) < 0) return conflict(stream, numberOf(expect), -1)
    return { position: new At(this.#store(`$$${stream}`, metadataEvent({ $tb: 2 ** 63 }, true)).position) }
  }

  #tombstone(stream: string, expect: Expect): unknown {
    const refusal = this.#refusalOfDelete(stream, expect)
    if (refusal !== undefined) return refusal
    const event = { ...metadataEvent({ base64: '' }), type: '$streamDeleted', json: false }
    return { position: new At(this.#store(stream, event, Number.POSITIVE_INFINITY).position) }
  }

  #refusalOfDelete(stream: string, expect: Expect): unknown {
    const decision = this.#decide(stream, expect, ['an id that nobody uses'])
    if (decision === 'deleted') return deleted(stream)
    return decision === 'conflict' ? conflict(stream, numberOf(expect), this.#last(stream)) : undefined
  }

  /** A number: the events were written before, the last of them at this revision. */
  #decide(stream: string, expect: Expect, ids: readonly string[]): 'append' | 'conflict' | 'deleted' | number {
    const last = this.#last(stream)
    // A metastream that was written can still be written to when its stream was tombstoned.
    if (last === Number.POSITIVE_INFINITY || (last < 0 && this.#isTombstoned(stream))) return 'deleted'
    if (expect === 'exists') {
      if (this.#isSoftDeleted(stream)) return 'deleted'
      if (last < 0 && this.#last(`$$${stream}`) < 0) return 'conflict'
    }
    if (expect === 'any' || expect === 'exists') {
      const places = ids.map((id) => this.#log.find((event) => event.id === id && id !== 'server'))
      const known = places.map((place) => (place?.stream === stream ? place.revision : undefined))
      if (known[0] === undefined) return 'append'
      return known.includes(undefined) ? 'conflict' : (known.at(-1) ?? 'conflict')
    }
    const expected = numberOf(expect)
    if (expected > last) return 'conflict'
    if (expected === last) return 'append'
    const matches = ids.map((id, index) => this.#at(stream, expected + 1 + index)?.id === id && id !== 'server')
    if (ids.length > 0 && !matches.includes(false)) return expected + ids.length
    return expected === -1 && ids.length > 0 && matches[0] === false && this.#isSoftDeleted(stream)
      ? 'append'
      : 'conflict'
  }

  #undelete(stream: string, from: number): void {
    const current = this.#log.findLast((event) => event.stream === `$$${stream}`)
    const { data, json } = current ?? {}
    if (!json || typeof data !== 'object' || data === null || Array.isArray(data)) return
    this.#store(`$$${stream}`, metadataEvent({ ...data, $tb: from }))
  }

  #store(stream: string, event: Content, revision = this.#last(stream) + 1): Stored {
    const { size: _, ...rest } = event
    const stored = { ...rest, stream, revision, position: ++this.#position, created: this.#now }
    this.#log.push(stored)
    return stored
  }

  // The state of a stream

  #last(stream: string): number {
    return this.#log.findLast((event) => event.stream === stream)?.revision ?? -1
  }

  #at(stream: string, revision: number): Stored | undefined {
    return this.#log.find((event) => event.stream === stream && event.revision === revision)
  }

  #isTombstoned(stream: string): boolean {
    const original = isMeta(stream) ? stream.slice(2) : stream
    return [stream, original].some((name) => this.#last(name) === Number.POSITIVE_INFINITY)
  }

  #isSoftDeleted(stream: string): boolean {
    return this.#metadata(stream).truncateBefore === Number.POSITIVE_INFINITY
  }

  #isMissing(stream: string): boolean {
    return this.#last(stream) < 0 || this.#isSoftDeleted(stream)
  }

  #metadata(stream: string): Metadata {
    if (isMeta(stream)) return { maxCount: 1 }
    const event = this.#log.findLast(({ stream: name }) => name === `$$${stream}`)
    if (event === undefined || !event.json) return {}
    return event.softDelete ? { truncateBefore: Number.POSITIVE_INFINITY } : parseMetadata(event.data)
  }

  /** The events that metadata leaves readable. */
  #readable(stream: string): Stored[] {
    if (this.#isTombstoned(stream) || this.#isMissing(stream)) return []
    const { maxCount = Number.POSITIVE_INFINITY, maxAge, truncateBefore = 0 } = this.#metadata(stream)
    const from = Math.max(truncateBefore, this.#last(stream) - maxCount + 1)
    const since = maxAge === undefined ? 0 : this.#now - 1000 * maxAge
    return this.#log.filter((event) => event.stream === stream && event.revision >= from && event.created >= since)
  }

  // Reads

  #read({ stream, from, backwards, max, links }: Read): unknown {
    if (max === 0 || (from === 'end' && !backwards)) return { error: 'unknown' }
    if (this.#isTombstoned(stream)) return deleted(stream)
    if (this.#isMissing(stream)) return { error: 'stream-not-found', streamName: stream }
    const start = from === 'start' ? 0 : from === 'end' ? Number.POSITIVE_INFINITY : from
    const readable = this.#readable(stream)
    const events = backwards
      ? readable.filter(({ revision }) => revision <= start).reverse()
      : readable.filter(({ revision }) => revision >= start)
    return { events: events.slice(0, max).map((event) => this.#shown(event, links)) }
  }

  #readAll({ from, backwards, take }: ReadAll): unknown {
    const start = from === 'start' ? 0 : from === 'end' ? Number.POSITIVE_INFINITY : this.#marked(from.after)
    const events = backwards
      ? this.#log.filter(({ position }) => position < start).reverse()
      : this.#log.filter(({ position }) => position >= start)
    return { events: events.slice(0, take).map((event) => this.#shown(event, false)) }
  }

  #subscribe({ stream, from, links, filter, [THEN]: operations }: Subscribe): unknown {
    const isAll = stream === '$all'
    const seen = { confirmed: true, caughtUp: true, checkpointsRise: true }
    if (!isAll && from !== 'end' && this.#isTombstoned(stream)) {
      const then = operations.map((op) => this.execute(op))
      const nothing = { confirmed: false, caughtUp: false, ended: false, events: [], live: [] }
      return { ...seen, ...nothing, error: deleted(stream), [THEN]: then }
    }
    let behind: number | undefined
    const catchUp = (): Stored[] => {
      if (!isAll && from !== 'end' && this.#isMissing(stream)) return []
      behind = this.#position
      if (from === 'end') return []
      if (isAll) {
        const start = typeof from === 'object' ? this.#marked(from.after) : 0
        return this.#log.filter((event) => event.position > start && passes(event, filter))
      }
      const start = typeof from === 'number' ? from : -1
      return this.#readable(stream).filter(({ revision }) => revision > start)
    }
    const show = (events: readonly Stored[]): unknown[] => events.map((event) => this.#shown(event, links))
    const events = show(catchUp())
    const live: unknown[] = []
    let error: unknown = null
    const then = operations.map((op) => {
      const outcome = this.execute(op)
      if (error !== null) return outcome
      if (behind === undefined && this.#isTombstoned(stream)) error = deleted(stream)
      else if (behind === undefined) live.push(...show(catchUp()))
      else {
        const previous = behind
        const news = this.#log.filter(({ position }) => position > previous)
        behind = this.#position
        const skipped = typeof from === 'number' ? from : -1
        live.push(
          ...show(
            news.filter((event) =>
              isAll ? passes(event, filter) : event.stream === stream && event.revision > skipped,
            ),
          ),
        )
        if (!isAll && behind > previous && this.#last(stream) === Number.POSITIVE_INFINITY) error = deleted(stream)
      }
      return outcome
    })
    return { ...seen, caughtUp: behind !== undefined, ended: error === null, error, events, live, [THEN]: then }
  }

  #marked(mark: string): number {
    const position = this.#marks.get(mark)
    if (position === undefined) throw new Error(`There is no mark ${mark}`)
    return position
  }

  #shown(event: Stored, links: boolean): unknown {
    if (!links || event.link === undefined) return recorded(event)
    const { link } = event
    const target =
      link === 'nowhere' ? undefined : this.#readable(link.stream).find(({ revision }) => revision === link.revision)
    return { event: target === undefined ? null : recorded(target), link: recorded(event) }
  }
}
