import { setTimeout as sleep } from 'node:timers/promises'
import {
  type AllStreamResolvedEvent,
  ANY,
  type AppendResult,
  BACKWARDS,
  binaryEvent,
  type Filter as ClientFilter,
  END,
  type EventData,
  type EventStoreDBClient,
  eventTypeFilter,
  excludeSystemEvents,
  FORWARDS,
  jsonEvent,
  NO_STREAM,
  type Position,
  type RecordedEvent,
  type ResolvedEvent,
  START,
  STREAM_EXISTS,
  streamNameFilter,
} from '@eventstore/db-client'
import { z } from 'zod'
import { type Filter, THEN } from './group-operations.ts'
import { GroupReplay } from './group-replay.ts'
import { Names, positionsIn, RawPosition, ranked } from './names.ts'
import {
  type Append,
  isGroupOperation,
  type Json,
  type Operation,
  type ProposedEvent,
  type Read,
  type ReadAll,
  type Scenario,
  type Subscribe,
} from './operations.ts'

/**
 * Sends the operations of a recorded scenario to the event store behind `client`, under names of its own, and returns
 * their outcomes in the words of the recording. `before` is awaited before every step. Where the scenario is recorded
 * `anew`, its outcomes do not tell how long to wait.
 */
export async function replay(
  client: EventStoreDBClient,
  scenario: Scenario,
  { before, anew = false }: { before?: (step: number) => Promise<void>; anew?: boolean } = {},
): Promise<Json[]> {
  const run = new Replay(client)
  const outcomes: unknown[] = []
  for (const [step, { op, outcome }] of scenario.steps.entries()) {
    await before?.(step)
    outcomes.push(await run.execute(op, anew ? undefined : outcome))
  }
  const positions = positionsIn([outcomes, run.seen])
  return outcomes.map((outcome) => ranked(outcome, positions))
}

/** Leaves out what the recordings' README says is not compared. */
export function comparable(outcome: Json): Json {
  if (Array.isArray(outcome)) return outcome.map(comparable)
  if (typeof outcome !== 'object' || outcome === null) return outcome
  const kept = Object.entries(outcome).filter(([key]) => !['caughtUpTimes', 'checkpoints', 'code'].includes(key))
  return Object.fromEntries(kept.map(([key, value]) => [key, comparable(value)]))
}

const EXPECTED = { any: ANY, no_stream: NO_STREAM, exists: STREAM_EXISTS } as const

/** The client leaves BatchAppend for Append when a call has credentials; on an insecure channel it does not send them. */
const CLASSIC = { credentials: { username: 'admin', password: 'changeit' } }

/** What a subscription is waited for, and how long it must then be quiet: nothing more may come. */
const DEADLINE_MS = 5_000
const QUIET_MS = 150

const awaited = z.object({
  confirmed: z.boolean(),
  caughtUp: z.boolean(),
  error: z.json(),
  events: z.array(z.json()),
  live: z.array(z.json()),
})
type Awaited = z.infer<typeof awaited>

class Replay {
  readonly #client: EventStoreDBClient
  readonly #names = new Names()
  readonly #groups: GroupReplay

  constructor(client: EventStoreDBClient) {
    this.#client = client
    this.#groups = new GroupReplay(client, this.#names, (op, recorded) => this.execute(op, recorded))
  }

  /** Positions that have a rank though no outcome tells them. */
  get seen(): readonly unknown[] {
    return this.#names.seen
  }

  /** `recorded` tells only how long to wait for a subscription. */
  async execute(op: Operation, recorded?: Json): Promise<unknown> {
    try {
      if (op.op === 'append') return await this.#append(op)
      if (op.op === 'read') return await this.#read(op)
      if (op.op === 'readAll') return await this.#readAll(op)
      if (op.op === 'subscribe') return await this.#subscribe(op, awaited.optional().parse(recorded))
      if (isGroupOperation(op)) return await this.#groups.execute(op, recorded)
      if (op.op === 'sleep') {
        await sleep(op.ms)
        return {}
      }
      const stream = this.#names.physical(op.stream)
      const expectedRevision = expected(op.expect)
      if (op.op === 'setMeta') {
        return { next: next(await this.#client.setStreamMetadata(stream, op.meta, { expectedRevision })) }
      }
      if (expectedRevision === STREAM_EXISTS) throw new Error('The client cannot delete with stream_exists')
      if (op.op === 'delete') return at(await this.#client.deleteStream(stream, { expectedRevision }))
      return at(await this.#client.tombstoneStream(stream, { expectedRevision }))
    } catch (error) {
      return this.#names.failure(error)
    }
  }

  async #append({ stream, events, expect, classic, mark }: Append): Promise<unknown> {
    const result = await this.#client.appendToStream(
      this.#names.physical(stream),
      events.map((event) => this.#event(event)),
      { expectedRevision: expected(expect), ...(classic ? CLASSIC : {}) },
    )
    if (mark !== undefined && result.position !== undefined) this.#names.mark(mark, result.position)
    return { next: next(result), ...at(result) }
  }

  async #read({ stream, from, backwards, max, links }: Read): Promise<unknown> {
    const events: unknown[] = []
    const read = this.#client.readStream(this.#names.physical(stream), {
      fromRevision: revision(from),
      direction: backwards ? BACKWARDS : FORWARDS,
      maxCount: max,
      resolveLinkTos: links,
    })
    for await (const resolved of read) events.push(this.#resolved(resolved))
    return { events }
  }

  async #readAll({ from, backwards, max, take }: ReadAll): Promise<unknown> {
    const events: unknown[] = []
    const read = this.#client.readAll({
      fromPosition: this.#names.position(from),
      direction: backwards ? BACKWARDS : FORWARDS,
      // Others write to the store meanwhile, and their events count.
      maxCount: from === 'end' ? Math.max(max, 5000) : max,
    })
    try {
      for await (const resolved of read) {
        if (!this.#names.isOurs(resolved)) continue
        events.push(this.#resolved(resolved))
        if (events.length === take) break
      }
    } finally {
      // Leaving the loop does not end the call.
      await read.cancel()
    }
    return { events }
  }

  async #subscribe(op: Subscribe, recorded: Awaited | undefined): Promise<unknown> {
    const { stream, from, links, filter, then } = op
    const seen = {
      confirmed: false,
      caughtUp: false,
      caughtUpTimes: 0,
      checkpoints: 0,
      checkpointsRise: true,
      ended: false,
    }
    const events: unknown[] = []
    let error: unknown = null
    let last: bigint = -1n
    let lastChange = Date.now()
    const checkpointReached = (_: unknown, { commit }: Position): void => {
      seen.checkpointsRise &&= commit > last
      seen.checkpoints++
      last = commit
    }
    const subscription =
      stream === '$all'
        ? this.#client.subscribeToAll({
            fromPosition: typeof from === 'number' ? START : this.#names.position(from),
            resolveLinkTos: links,
            ...(filter === undefined ? {} : { filter: this.#filter(filter, checkpointReached) }),
          })
        : this.#client.subscribeToStream(this.#names.physical(stream), {
            fromRevision: typeof from === 'object' ? START : revision(from),
            resolveLinkTos: links,
          })
    const over = new Promise<void>((resolve) => {
      subscription.on('confirmation', () => {
        seen.confirmed = true
      })
      subscription.on('caughtUp', () => {
        seen.caughtUp = true
        seen.caughtUpTimes++
      })
      subscription.on('data', (resolved: ResolvedEvent | AllStreamResolvedEvent) => {
        if (!this.#names.isOurs(resolved)) return
        events.push(this.#resolved(resolved))
        lastChange = Date.now()
      })
      subscription.on('end', () => {
        seen.ended = true
        resolve()
      })
      subscription.on('error', (reason: unknown) => {
        error = this.#names.failure(reason)
        resolve()
      })
    })
    const calm = async (complete: () => boolean): Promise<void> => {
      const deadline = Date.now() + DEADLINE_MS
      const quiet = recorded === undefined ? 3 * op.quiet : QUIET_MS
      while (Date.now() < deadline && !(complete() && Date.now() - lastChange > quiet)) await sleep(10)
    }
    lastChange = Date.now()
    await calm(() => {
      if (recorded === undefined) return seen.caughtUp || error !== null
      return events.length >= recorded.events.length && seen.confirmed === recorded.confirmed
    })
    const before = events.length
    const outcomes: unknown[] = []
    for (const op of then) outcomes.push(await this.execute(op))
    lastChange = Date.now()
    await calm(() => {
      if (recorded === undefined) return true
      const total = recorded.events.length + recorded.live.length
      const failed = recorded.error !== null
      return events.length >= total && seen.caughtUp === recorded.caughtUp && (error !== null) === failed
    })
    if (error === null) {
      await subscription.unsubscribe()
      await Promise.race([over, sleep(2_000)])
    }
    const { confirmed, caughtUp, caughtUpTimes, ended, checkpointsRise, checkpoints } = seen
    const delivered = { events: events.slice(0, before), live: events.slice(before), [THEN]: outcomes }
    return { confirmed, caughtUp, caughtUpTimes, error, ended, ...delivered, checkpointsRise, checkpoints }
  }

  #filter(filter: Filter, checkpointReached: (subscription: unknown, position: Position) => void): ClientFilter {
    const options = { checkpointInterval: 1, checkpointReached }
    const { types, typeRegex, streams, streamRegex } = filter
    if (types !== undefined) return eventTypeFilter({ prefixes: types, ...options })
    if (typeRegex !== undefined) return eventTypeFilter({ regex: typeRegex, ...options })
    if (streams !== undefined) {
      return streamNameFilter({ prefixes: streams.map((name) => this.#names.physical(name)), ...options })
    }
    if (streamRegex !== undefined) {
      return streamNameFilter({ regex: streamRegex.replaceAll('{prefix}', this.#names.prefix), ...options })
    }
    return excludeSystemEvents(options)
  }

  #event({ id, type, data, meta, binary, chars, link, raw }: ProposedEvent): EventData {
    const common = { id: this.#names.physicalId(id), type, ...(meta === undefined ? {} : { metadata: meta }) }
    if (binary !== undefined) return binaryEvent({ ...common, data: Buffer.from(binary, 'base64') })
    if (raw !== undefined) return binaryEvent({ ...common, data: Buffer.from(raw) })
    if (link !== undefined) {
      return binaryEvent({ ...common, data: Buffer.from(`${link[0]}@${this.#names.physical(link[1])}`) })
    }
    return jsonEvent({ ...common, data: chars === undefined ? (data ?? { n: 1 }) : 'x'.repeat(chars) })
  }

  #resolved({ event, link }: ResolvedEvent | AllStreamResolvedEvent): unknown {
    if (link === undefined) return event === undefined ? null : this.#recorded(event)
    return { event: event === undefined ? null : this.#recorded(event), link: this.#recorded(link) }
  }

  #recorded({ streamId, id, type, revision: at, isJson, data, metadata, position }: Recorded): unknown {
    return {
      stream: this.#names.logical(streamId),
      id: this.#names.logicalId(id),
      type,
      revision: String(at),
      json: isJson,
      data: isJson ? data : this.#bytes(type, data),
      meta: metadata ?? null,
      position: position === undefined ? 'none' : new RawPosition(position.commit),
    }
  }

  #bytes(type: string, data: unknown): unknown {
    const bytes = data instanceof Uint8Array ? Buffer.from(data) : Buffer.alloc(0)
    return type === '$>' ? bytes.toString().replace(`${this.#names.prefix}-`, '') : { base64: bytes.toString('base64') }
  }
}

type Recorded = RecordedEvent

const revision = (from: 'start' | 'end' | number): typeof START | typeof END | bigint =>
  from === 'start' ? START : from === 'end' ? END : BigInt(from)

const expected = (expect: Append['expect']): typeof ANY | typeof NO_STREAM | typeof STREAM_EXISTS | bigint =>
  typeof expect === 'number' ? BigInt(expect) : EXPECTED[expect]

const next = ({ nextExpectedRevision }: AppendResult): string => String(nextExpectedRevision)

const at = ({ position }: { position?: Position | undefined }): { position: unknown } => ({
  position: position === undefined ? 'none' : new RawPosition(position.commit),
})
