import type { Position, RecordedEvent } from '../cqrs/event.ts'
import type { EventLog } from '../cqrs/event-store.ts'
import { failpoint } from './failpoint.ts'
import type { Projection, ReadModelDatabase } from './projection.ts'
import { isOfTheFile } from './sqlite-faults.ts'

/** Gives an event to the handlers of all projections that follow its stream. Throws what they throw. */
export function eventApplier(
  db: ReadModelDatabase,
  projections: readonly Projection[],
): (event: RecordedEvent) => void {
  const prepared = projections.map((projection) => ({
    streamPrefixes: projection.streamPrefixes,
    handlers: new Map(Object.entries(projection.prepare(db))),
  }))
  return (event) => {
    for (const { streamPrefixes, handlers } of prepared) {
      const handle = handlers.get(event.type)
      if (handle && streamPrefixes.some((prefix) => event.stream.startsWith(prefix))) handle(event)
    }
    failpoint('projector.row-written')
  }
}

/** @throws {PoisonEvent} */
export function applyAll(events: readonly RecordedEvent[], apply: (event: RecordedEvent) => void): void {
  for (const event of events) {
    try {
      apply(event)
    } catch (error) {
      throw isOfTheFile(error) ? error : new PoisonEvent(event, error)
    }
  }
}

/** The last event applied or parked: what tells the log that a file was made from. */
export type LastEvent = Pick<RecordedEvent, 'position' | 'id'>

/**
 * Whether the log has the event. Where it has not, it was restored from a backup, or is another log; or the event was
 * deleted and scavenged away, and a file made from it has what the log has no longer.
 *
 * @throws {StoreUnavailable}
 */
export async function isInLog(log: EventLog, { position, id }: LastEvent): Promise<boolean> {
  return (await log.eventAt(position))?.id === id
}

/**
 * The last event, once it is sure that none comes twice or too late.
 *
 * @throws {EventsOutOfOrder}
 */
export function lastInOrder(events: readonly RecordedEvent[], after: LastEvent | undefined): LastEvent | undefined {
  let last = after
  for (const { position, id } of events) {
    if (last !== undefined && position <= last.position) throw new EventsOutOfOrder(position, last.position)
    last = { position, id }
  }
  return last
}

/** The log delivered an event that had been applied before, or one from before it. */
export class EventsOutOfOrder extends Error {
  override readonly name = 'EventsOutOfOrder'
  readonly position: Position
  readonly lastEvent: Position

  constructor(position: Position, lastEvent: Position) {
    super(`the log delivered the event at position ${position} after the event at position ${lastEvent}`)
    this.position = position
    this.lastEvent = lastEvent
  }
}

/** An event whose handler fails on it every time. */
export class PoisonEvent extends Error {
  override readonly name = 'PoisonEvent'
  readonly event: RecordedEvent

  constructor(event: RecordedEvent, cause: unknown) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    super(`${event.type} at position ${event.position}, event ${event.number} of ${event.stream}: ${reason}`, { cause })
    this.event = event
  }
}
