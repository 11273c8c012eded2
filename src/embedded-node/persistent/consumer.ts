import type { Resolved } from '../links.ts'
import type { LogEvent } from '../log-event.ts'
import { Measurements } from './measurements.ts'

/** An event on its way through a group, until it is acknowledged, skipped or parked. */
export class Message {
  readonly event: LogEvent | undefined
  readonly link: LogEvent | undefined
  /** The link where there is one, else the event: what consumers answer to. */
  readonly original: LogEvent
  /** Where it stands in what the group follows: a revision or a position. */
  readonly position: number
  /** Whether it comes back from the parked stream. It then has no place in the order of the group. */
  readonly replayed: boolean
  retryCount = 0
  /** Its number in the order of the group; undefined when it is replayed. */
  sequence: number | undefined
  /** The position that a checkpoint may name while this is not finished; undefined when nothing came before. */
  previous: number | undefined
  /** Who has it now. */
  consumer: Consumer | undefined

  constructor({ event, link }: Resolved, original: LogEvent, position: number, replayed = false) {
    this.event = event
    this.link = link
    this.original = original
    this.position = position
    this.replayed = replayed
  }

  get id(): string {
    return this.original.id
  }

  get bytes(): number {
    const { event, original } = this
    const target = event === undefined || event === original ? 0 : event.data.length + event.metadata.length
    return original.data.length + original.metadata.length + target
  }
}

/** The way to one client of a group. */
export interface Connection {
  readonly name: string
  readonly user: string
  /** Whether much of what was sent has not gone out yet. The group is told when it has. */
  readonly isFull: boolean
  send(message: Message): void
  /** Ends the client's call: the group does not serve it any longer. */
  drop(): void
}

/** One client of a group, and the messages that it has and has not answered. */
export class Consumer {
  readonly connection: Connection
  /** How many messages it may have at once. */
  readonly bufferSize: number
  readonly unanswered = new Set<Message>()
  /** Undefined where the group keeps no extra statistics. */
  readonly measurements: Measurements | undefined
  totalItems = 0

  constructor(connection: Connection, bufferSize: number, extraStatistics: boolean) {
    this.connection = connection
    this.bufferSize = bufferSize
    this.measurements = extraStatistics ? new Measurements() : undefined
  }

  get availableSlots(): number {
    return this.bufferSize - this.unanswered.size
  }

  /** False when it has as many messages as it may have. */
  push(message: Message): boolean {
    if (this.availableSlots <= 0 || this.connection.isFull) return false
    this.unanswered.add(message)
    this.totalItems++
    this.measurements?.start(message)
    message.consumer = this
    this.connection.send(message)
    return true
  }

  /** The message was answered, or is taken away. */
  release(message: Message): void {
    if (this.unanswered.delete(message)) this.measurements?.end(message)
    message.consumer = undefined
  }
}
