import { existsSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { prepareUserDirectory } from '../../projections/users/queries.ts'
import type { Config } from '../config.ts'
import type { Position } from '../cqrs/event.ts'
import type { EventLog } from '../cqrs/event-store.ts'
import type { EventStore } from '../eventstoredb/event-store.ts'
import { projections, reactionFile, readModelDir } from '../main.ts'
import { openReactionStore } from '../reactions/sqlite-reaction-store.ts'
import { isInLog } from '../read-model/apply.ts'
import type { Difference } from '../read-model/compare.ts'
import { type Inspection, inspect } from '../read-model/inspect.ts'
import { streamPrefixesOf } from '../read-model/projection.ts'
import { count } from './progress.ts'

/** How long a read model that lags may take to move on before it counts as stuck, in milliseconds. */
const PATIENCE = 2_000

/** Most parked events of a reaction that are listed. */
const PARKED_LISTED = 20

/**
 * Where the read model and the reactions stand, line by line. They are healthy if no event is parked, the read model
 * is made from this log, and it has every event or is catching up.
 *
 * @throws {UnusableFile | UnusableReactionFile | StoreUnavailable}
 */
export async function statusReport(log: EventStore, config: Config): Promise<{ lines: string[]; isHealthy: boolean }> {
  const look = () => inspect(readModelDir(config), projections, (db) => prepareUserDirectory(db).total())
  const end = (await log.lastPosition()) ?? 0
  let seen = look()
  let lag = await eventsAfter(log, seen.position)
  let isStuck = false
  if (lag > 0) {
    await setTimeout(PATIENCE)
    const later = look()
    isStuck = later.position === seen.position
    seen = later
    lag = await eventsAfter(log, seen.position)
  }
  const reactions = await reactionsReport(reactionFile(config))
  const group = await groupReport(log, config)
  const isOfAnotherLog = seen.lastEvent !== undefined && !(await isInLog(log, seen.lastEvent))
  const troubles = [
    ...(isOfAnotherLog ? ['The event store was restored or replaced since the read model was made: rebuild it.'] : []),
    ...(isStuck ? ['The read model does not catch up: is a service running on it?'] : []),
    ...(seen.parkedCount > 0
      ? ['Events are parked: they are applied when the service starts with code that can.']
      : []),
    ...(reactions.parked + group.parked > 0
      ? ['Reactions have parked events: they are tried again when the service starts.']
      : []),
  ]
  return {
    lines: [...facts(seen, end, lag), ...parkedLines(seen), ...reactions.lines, ...group.lines, ...troubles],
    isHealthy: troubles.length === 0,
  }
}

async function reactionsReport(file: string): Promise<{ lines: string[]; parked: number }> {
  if (!existsSync(file)) return { lines: [], parked: 0 }
  const store = openReactionStore(file, { readonly: true })
  try {
    const reactions = store.reactions()
    const lines: string[] = []
    for (const { name, position, parked } of reactions) {
      lines.push(`reaction    ${name}: position ${position}, parked ${count(parked)}`)
      for (const { event, failures, reason } of await store.parked(name, PARKED_LISTED)) {
        const { type, position, id, stream } = event
        lines.push(
          `  ${type} at position ${position}, id ${id}, of ${stream}: ${failures} failures, ${firstLine(reason)}`,
        )
      }
      if (parked > PARKED_LISTED) lines.push(`  and ${count(parked - PARKED_LISTED)} more`)
    }
    return { lines, parked: reactions.reduce((sum, { parked }) => sum + parked, 0) }
  } finally {
    store.close()
  }
}

/** Of webhooks that are shared. Their parked events are in a stream of the event store. */
async function groupReport(store: EventStore, { webhook }: Config): Promise<{ lines: string[]; parked: number }> {
  if (webhook?.group === undefined) return { lines: [], parked: 0 }
  const { position, parked } = (await store.groupStatus(webhook.group)) ?? { position: 0, parked: 0 }
  const line = `reaction    webhooks (group ${webhook.group}): position ${position}, parked ${count(parked)}`
  const where = `  in the stream $persistentsubscription-$all::${webhook.group}-parked`
  return { lines: parked > 0 ? [line, where] : [line], parked }
}

/** One line for a difference between the read model and the log. */
export function describe({ table, key, column, live, replayed }: Difference): string {
  const at = `${table} ${key}${column === undefined ? '' : `, ${column}`}`
  return `${at}: read model has ${shown(live)}, replay has ${shown(replayed)}`
}

function facts({ file, position, value: users, parkedCount }: Inspection<number>, end: Position, lag: number) {
  return [
    `read model  ${file}`,
    `position    ${position} (the log ends at ${end})`,
    `lag         ${count(lag)} events`,
    `users       ${count(users)}`,
    `parked      ${count(parkedCount)}`,
  ]
}

function parkedLines({ parked, parkedCount }: Inspection<number>): string[] {
  const lines = parked.map(
    ({ position, stream, number, type, error }) =>
      `  ${type} at position ${position}, event ${number} of ${stream}: ${firstLine(error)}`,
  )
  return parkedCount > parked.length ? [...lines, `  and ${count(parkedCount - parked.length)} more`] : lines
}

/** How many events of ours the log has after a position. */
async function eventsAfter(log: EventLog, after: Position): Promise<number> {
  const stop = new AbortController()
  const streamPrefixes = streamPrefixesOf(projections)
  let events = 0
  for await (const batch of log.subscribe({ after, streamPrefixes, signal: stop.signal, maxBatch: 500 })) {
    events += batch.events.length
    if (batch.caughtUp) break
  }
  return events
}

const firstLine = (text: string) => text.split('\n', 1).join()

function shown(value: unknown): string {
  return value === undefined ? 'nothing' : JSON.stringify(value)
}
