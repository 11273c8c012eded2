import { type UuidForm, writeReadEvent } from './event-message.ts'
import type { LogEvent } from './log-event.ts'
import type { Streams } from './stream-state.ts'
import { nowMicros } from './time.ts'

export const LINK = '$>'

export interface Resolved {
  readonly event: LogEvent | undefined
  readonly link: LogEvent | undefined
}

/** Turns events into messages, with links resolved where the reader asks for it. */
export class EventWriter {
  readonly #streams: Streams
  /** Events go to many subscribers, and encoding costs more than sending: the usual form is made once. */
  readonly #encoded = new WeakMap<LogEvent, Buffer>()

  constructor(streams: Streams) {
    this.#streams = streams
  }

  /** A message of a ReadResp. */
  write(event: LogEvent, form: UuidForm, resolveLinks: boolean): Buffer {
    if (!resolveLinks || event.type !== LINK) return writeReadEvent(event, undefined, form)
    const resolved = this.resolve(event)
    return writeReadEvent(resolved.event, resolved.link, form)
  }

  /** What a link points to, and the link. The event is missing where it cannot be read; what is no link stays itself. */
  resolve(event: LogEvent): Resolved {
    const target = event.type === LINK ? linkTarget(event) : undefined
    if (target === undefined) return { event, link: undefined }
    return { event: this.#streams.readableAt(target.stream, target.revision, nowMicros()), link: event }
  }

  /** For a live group: there EventStoreDB takes what is no link for a link to nothing. */
  resolveLive(event: LogEvent): Resolved {
    const resolved = this.resolve(event)
    return event.type === LINK && resolved.link === undefined ? { event: undefined, link: event } : resolved
  }

  /** The same for an event that several subscribers may get. */
  writeShared(event: LogEvent, form: UuidForm, resolveLinks: boolean): Buffer {
    if (form !== 'string' || (resolveLinks && event.type === LINK)) return this.write(event, form, resolveLinks)
    const known = this.#encoded.get(event)
    if (known !== undefined) return known
    const encoded = writeReadEvent(event, undefined, form)
    this.#encoded.set(event, encoded)
    return encoded
  }
}

/**
 * `<revision>@<stream>`, where −1 stands for the last event. What does not begin with a number is no link but an ordinary
 * event; a number alone is a link to nothing.
 */
export function linkTarget(link: LogEvent): { stream: string; revision: number | 'last' } | undefined {
  const [, number, stream = ''] = /^([^@]*)@?(.*)$/s.exec(link.data.toString('utf8')) ?? []
  if (number === undefined || !/^[\t-\r ]*[+-]?\d+[\t-\r ]*$/.test(number)) return undefined
  const revision = BigInt(number.trim())
  if (revision !== BigInt.asIntN(64, revision)) return undefined
  return { stream, revision: revision === -1n ? 'last' : Number(revision) }
}
