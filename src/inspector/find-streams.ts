import type { EventNumber } from '../cqrs/event.ts'
import { NotReadable, type StoreExplorer } from '../cqrs/store-explorer.ts'

/** Events, and milliseconds, that are spent on a look through the end of the log, or of `$streams`. */
const RECENT = 1_000
const MAX_NAMES = 5_000
const MAX_TIME = 2_000

/** Most streams that are listed. */
export const LISTED = 50

export interface FoundStream {
  readonly name: string
  readonly at: Date
  /** The last event that is known, where one was met. */
  readonly last: { readonly type: string; readonly number: EventNumber } | undefined
}

export interface FoundStreams {
  /** Most recently changed first; then, of those that were not met at the end of the log, most recently made first. */
  readonly streams: readonly FoundStream[]
  /** How many there are beyond the listed ones, as far as they were looked through. */
  readonly more: number
  /** Events at the end of the log that were looked through. */
  readonly events: number
  /** Names in `$streams` that were looked through; undefined where there is none that may be read. */
  readonly names: number | undefined
  /** Whether those are all streams that the log has. */
  readonly isAll: boolean
}

export const isSystemStream = (name: string): boolean => name.startsWith('$')

/**
 * The streams that were changed last, and those that were made last; with `q`, those with this text in their name, whatever its case, among the newest
 * of the log and of `$streams`.
 *
 * @throws {StoreUnavailable}
 * @throws {NotReadable}
 */
export async function findStreams(
  store: Pick<StoreExplorer, 'logBackwards' | 'unfollowed'>,
  { q, system }: { readonly q: string | undefined; readonly system: boolean },
): Promise<FoundStreams> {
  const wanted = q?.toLowerCase()
  const matches = (name: string) =>
    (system || !isSystemStream(name)) && (wanted === undefined || name.toLowerCase().includes(wanted))
  // The end of the log may be all system streams', so that even those that were made last are news.
  const [tail, made] = await Promise.all([lastChanged(store), lastMade(store, q === undefined ? LISTED : MAX_NAMES)])
  const found = new Map([...(made?.streams ?? []), ...tail.streams].map((stream) => [stream.name, stream]))
  // A name that both have stands where the log has it.
  const names = new Set([...tail.streams, ...(made?.streams ?? [])].map(({ name }) => name))
  const matching = [...names].filter(matches).flatMap((name) => found.get(name) ?? [])
  return {
    streams: matching.slice(0, LISTED),
    more: Math.max(0, matching.length - LISTED),
    events: tail.events,
    names: made?.names,
    isAll: tail.isAll || (made?.isAll ?? false),
  }
}

async function lastChanged(store: Pick<StoreExplorer, 'logBackwards'>) {
  const streams = new Map<string, FoundStream>()
  let events = 0
  let isOver = false
  for await (const { stream, type, number, created } of briefly(store.logBackwards(undefined, RECENT), () => {
    isOver = true
  })) {
    events++
    if (!streams.has(stream)) streams.set(stream, { name: stream, at: created, last: { type, number } })
  }
  return { streams: [...streams.values()], events, isAll: events < RECENT && !isOver }
}

/**
 * `$streams` has a link to the first event of each stream: `0@<stream>`. Undefined where the store has no such stream,
 * or the user may not read it.
 */
async function lastMade(store: Pick<StoreExplorer, 'unfollowed'>, maxCount: number) {
  try {
    return await newestNames(store, maxCount)
  } catch (error) {
    if (error instanceof NotReadable) return undefined
    throw error
  }
}

async function newestNames(store: Pick<StoreExplorer, 'unfollowed'>, maxCount: number) {
  const streams: FoundStream[] = []
  let oldest: EventNumber | undefined
  for await (const { data, created, number } of briefly(store.unfollowed('$streams', maxCount))) {
    const target = data instanceof Uint8Array ? Buffer.from(data).toString() : String(data)
    streams.push({ name: target.slice(target.indexOf('@') + 1), at: created, last: undefined })
    oldest = number
  }
  if (oldest === undefined) return undefined
  return { streams, names: streams.length, isAll: oldest === 1 }
}

/** As far as it comes in time. */
async function* briefly<T>(items: AsyncIterable<T>, onTimeUp?: () => void): AsyncIterable<T> {
  const end = performance.now() + MAX_TIME
  for await (const item of items) {
    yield item
    if (performance.now() > end) {
      onTimeUp?.()
      return
    }
  }
}
