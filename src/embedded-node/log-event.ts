import type { TOMBSTONE } from './decide.ts'

/** An event as it stands in the log. */
export interface LogEvent {
  readonly position: number
  readonly stream: string
  /** {@link TOMBSTONE} for the event that tombstones the stream. */
  readonly revision: number
  readonly type: string
  readonly id: string
  readonly json: boolean
  /** Microseconds since the Unix epoch. */
  readonly created: number
  readonly metadata: Buffer
  readonly data: Buffer
}

/** A part of the log, in the order of the read. A page ends where it has many rows or many bytes. */
export interface Page {
  readonly events: readonly LogEvent[]
  /** Whether the log held nothing more in the direction of the read when the page was read. */
  readonly end: boolean
  /** The position that a filter was applied up to when it ran out of time; more events may pass behind it. */
  readonly paused?: number
}
