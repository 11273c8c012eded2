import { randomUUID } from 'node:crypto'
import { Log } from '../src/embedded-node/log.ts'
import type { LogEvent } from '../src/embedded-node/log-event.ts'

/** Events of one stream; the data of each has about 150 bytes. */
const PER_STREAM = 3
const PER_TRANSACTION = 3_000

/** Written for one event in so many. */
export const RARE = { every: 1_000, prefix: 'rare-' }
export const COMMON = { every: 3, prefix: 'user-' }

/** The stream of an event of {@link buildLog}, which names them in no order, as ids and addresses do. */
export function streamOf(event: number): string {
  const stream = Math.floor(event / PER_STREAM)
  if (event % RARE.every === RARE.every - 1) return `${RARE.prefix}${scattered(event)}`
  return `${stream % COMMON.every === 0 ? COMMON.prefix : 'other-'}${scattered(stream)}@example.com`
}

/** Writes a log of so many events without a server, and closes it. */
export function buildLog(dataDir: string, events: number): void {
  const log = new Log(dataDir)
  for (let from = log.lastPosition; from < events; from += PER_TRANSACTION) {
    log.transaction(() => {
      for (let at = from; at < Math.min(events, from + PER_TRANSACTION); at++) log.insert(eventAt(log, at))
    })
  }
  log.close()
}

function eventAt(log: Log, at: number): Omit<LogEvent, 'position'> {
  const stream = streamOf(at)
  const data = Buffer.from(
    JSON.stringify({ id: randomUUID(), name: 'Ada Lovelace', email: stream, note: 'x'.repeat(40) }),
  )
  return {
    stream,
    revision: log.lastRevision(stream) + 1,
    type: 'UserRegistered',
    id: randomUUID(),
    json: true,
    created: 1_700_000_000_000_000 + at,
    metadata: Buffer.from('{"schemaVersion":1}'),
    data,
  }
}

/** Eight hexadecimal digits, a different number for every number below 2^32 (an odd factor is a bijection). */
const scattered = (value: number): string => (Math.imul(value, 0x9e3779b1) >>> 0).toString(16).padStart(8, '0')
