import { reportFault } from '../fault.ts'
import type { EventWriter, Resolved } from '../links.ts'
import type { LogEvent } from '../log-event.ts'
import { Failure, handlerThrew } from '../status.ts'
import { Backlog } from './backlog.ts'
import { type Connection, Consumer, Message } from './consumer.ts'
import { Progress } from './progress.ts'
import { type GroupSettings, isEnd, pageSize } from './settings.ts'
import type { GroupSource } from './source.ts'
import type { GroupStorage } from './storage.ts'
import type { Strategy } from './strategy.ts'
import { Unfinished } from './unfinished.ts'

export interface GroupParts {
  readonly group: string
  readonly source: GroupSource
  readonly settings: GroupSettings
  /** The newest position when a group from the end on was created. */
  readonly createdAt: number
  readonly storage: GroupStorage
  readonly strategy: Strategy
  readonly writer: EventWriter
}

/** What to do with a message that a consumer could not process. `stop` and `skip` are the same, as in EventStoreDB. */
export type NackAction = 'park' | 'retry' | 'skip' | 'stop'

/**
 * A group of competing consumers. Each event goes to one of them, and again to any of them until it is acknowledged,
 * skipped or parked. A checkpoint never passes an event that is not; so after a crash some may come again, and none is
 * lost.
 */
export class Group {
  readonly parts: GroupParts
  readonly consumers = new Set<Consumer>()
  readonly backlog: Backlog
  readonly unfinished = new Unfinished()
  readonly #progress: Progress
  /** Messages that could not be parked: tried again with the next tick. */
  #notParked: { message: Message; reason: string }[] = []
  /** What is written before this position later on is none of the group's. */
  readonly #start: number
  #next: number
  #isLive = false
  #isReading = false
  #isReplaying = false
  #hasFailed = false
  #isClosed = false
  readonly #stopListening: () => void
  /** Milliseconds of `performance.now()`. */
  readonly startedAt = performance.now()
  /** For statistics: how many messages were delivered, and how many events came live since the group is live. */
  totalItems = 0
  liveCount = 0
  lastCheckpointed: number | undefined
  lastKnown: number | undefined

  constructor(parts: GroupParts) {
    this.parts = parts
    const { source, settings, storage, createdAt } = parts
    const checkpoint = source.parse(storage.loadCheckpoint() ?? '')
    if (checkpoint !== undefined) storage.loadParked()
    this.lastCheckpointed = checkpoint
    this.#progress = new Progress(settings, checkpoint)
    this.backlog = new Backlog(settings.historyBufferSize)
    this.#start = isEnd(settings.startFrom) ? createdAt + 1 : (source.parse(settings.startFrom) ?? 0)
    this.#next = checkpoint === undefined ? this.#start : checkpoint + 1
    // From the end on there is nothing to read, not even from a stream that cannot be read.
    this.#isLive = checkpoint === undefined && isEnd(settings.startFrom) && source.last() === createdAt
    this.#stopListening = source.listen((event) => this.#offer(event))
    this.#read()
  }

  /** EventStoreDB's flags, as it prints them. */
  get status(): string {
    const flags = [
      this.#isLive ? undefined : 'Behind',
      this.#isReading ? 'OutstandingPageRequest' : undefined,
      this.#isReplaying ? 'ReplayingParkedMessages' : undefined,
      this.#isLive ? 'Live' : undefined,
    ]
    return flags.filter((flag) => flag !== undefined).join(', ')
  }

  get isFull(): boolean {
    const { maxSubscriberCount } = this.parts.settings
    return maxSubscriberCount !== 0 && this.consumers.size >= maxSubscriberCount
  }

  connect(connection: Connection, bufferSize: number): Consumer {
    const consumer = new Consumer(connection, bufferSize, this.parts.settings.extraStatistics)
    this.consumers.add(consumer)
    this.parts.strategy.add(consumer)
    if (this.#hasFailed) this.#drop(consumer)
    else this.push()
    return consumer
  }

  /** What the consumer has not answered goes to the others. */
  disconnect(consumer: Consumer): void {
    if (!this.#remove(consumer)) return
    for (const message of [...consumer.unanswered]) {
      this.unfinished.takeOne(message)
      this.#release(message)
      this.#retry(message)
    }
    this.push()
  }

  /** The events are done, whoever of the group had them. Other ids are ignored, and all once the group is closed. */
  acknowledge(ids: readonly string[]): void {
    if (this.#isClosed) return
    for (const message of this.#take(ids)) this.unfinished.finish(message)
    this.#goOn()
  }

  /** Ids of events that no consumer has are ignored, and all once the group is closed. */
  refuse(ids: readonly string[], action: NackAction, reason: string): void {
    if (this.#isClosed) return
    for (const message of this.#take(ids)) {
      if (action === 'retry') this.#retryOrPark(message)
      else if (action === 'park') this.#park(message, `Client explicitly NAK'ed message.\n${reason}`)
      else this.unfinished.finish(message)
    }
    this.#goOn()
  }

  /** Time has passed: `now` is in milliseconds of `performance.now()`. */
  tick(now: number): void {
    for (const { message, reason } of this.#notParked.splice(0)) this.#park(message, reason)
    for (const message of this.#take(this.unfinished.expired(now))) this.#retryOrPark(message)
    this.push()
    this.#checkpoint(now, true)
  }

  /** Parked messages before the revision `stopAt` are delivered again, and are not parked any longer. One replay at a time. */
  replayParked(stopAt: number | undefined): void {
    const { storage } = this.parts
    const last = storage.lastParked()
    if (this.#isReplaying || last === undefined) return
    this.#isReplaying = true
    // As with EventStoreDB, such a replay never ends, and no other begins until the group is updated or loaded again.
    if (stopAt === 0) return
    const before = Math.min(stopAt ?? last + 1, last + 1)
    let next = 0
    const readOn = (): void => {
      if (this.#isClosed) return
      const events = storage.readParked(next, before)
      for (const event of events) {
        this.backlog.addRetry(new Message(this.parts.writer.resolve(event), event, event.revision, true))
      }
      next = (events.at(-1)?.revision ?? before) + 1
      this.push()
      if (next < before) {
        this.#later(readOn)
      } else {
        this.#isReplaying = false
        storage.truncateParked(before)
      }
    }
    this.#later(readOn)
  }

  /**
   * Delivers what can be delivered. Room in the buffer is used with the next answer of a consumer, as in EventStoreDB, and
   * here also when there is nothing left that could be answered.
   */
  push(): void {
    const { settings, strategy } = this.parts
    const expires = performance.now() + settings.messageTimeout
    this.backlog.drain((message) => {
      const result = strategy.push(message)
      if (result !== 'sent') return result
      this.totalItems++
      this.unfinished.delivered(message, expires)
      return result
    })
    const { deliveredCount } = this.unfinished
    if (deliveredCount + this.backlog.retryCount + this.backlog.readCount === 0) this.#read()
  }

  /** Ends the calls of all consumers. Nothing more is delivered or written. */
  close(): void {
    this.#isClosed = true
    this.#stopListening()
    for (const consumer of [...this.consumers]) this.#drop(consumer)
  }

  #take(ids: readonly string[]): readonly Message[] {
    const messages = ids.flatMap((id) => this.unfinished.take(id))
    for (const message of messages) this.#release(message)
    return messages
  }

  #release(message: Message): void {
    const { consumer } = message
    if (consumer === undefined) return
    consumer.release(message)
    this.parts.strategy.released(message, consumer)
  }

  #goOn(): void {
    this.#checkpoint(performance.now(), false)
    this.#read()
    this.push()
  }

  #retryOrPark(message: Message): void {
    const { maxRetryCount } = this.parts.settings
    if (message.retryCount < maxRetryCount) this.#retry(message)
    else this.#park(message, `Reached retry count of ${maxRetryCount}`)
  }

  #retry(message: Message): void {
    message.retryCount++
    this.backlog.addRetry(message)
  }

  /** The message is finished when it is parked, not before. */
  #park(message: Message, reason: string): void {
    this.parts.storage.park(message, reason, (parked) => {
      if (parked) this.unfinished.finish(message)
      else this.#notParked.push({ message, reason })
      if (this.#isClosed) return
      if (parked) this.#checkpoint(performance.now(), false)
      this.push()
    })
  }

  #checkpoint(now: number, isTick: boolean): void {
    const position = this.#progress.checkpointDue(this.unfinished.first, now, isTick)
    if (position === undefined) return
    this.lastCheckpointed = position
    this.parts.storage.saveCheckpoint(this.parts.source.format(position))
  }

  /** Reads ahead until the buffer is full or the group is live. */
  #read(): void {
    const { readBatchSize } = this.parts.settings
    if (this.#isLive || this.#isReading || this.#isClosed || !this.backlog.accepts(readBatchSize)) return
    this.#isReading = true
    this.#later(() => this.#readPage(pageSize(readBatchSize)))
  }

  #readPage(size: number): void {
    const { source } = this.parts
    if (size < 0) throw handlerThrew()
    const page = source.read(this.#next, size)
    this.#isReading = false
    for (const event of page.events) this.#add(event, false)
    if (page.events.length === 0) this.#skip(page.next - 1, page.considered)
    this.#next = page.next
    if (page.end) {
      this.#isLive = true
      this.liveCount = 0
    }
    this.#read()
    this.push()
  }

  /** The writer that offers the event must not suffer from what this group meets: the log has the event, too. */
  #offer(event: LogEvent): void {
    const position = this.parts.source.positionOf(event)
    try {
      this.#takeLive(event, position)
    } catch (error) {
      if (!(error instanceof Failure)) reportFault(error)
      if (this.#isLive) this.#goBack(position)
      this.#read()
    }
  }

  #takeLive(event: LogEvent, position: number): void {
    const { source, settings } = this.parts
    if (source.filter?.test(event) === false) {
      if (this.#isLive) this.#skip(position, 1)
      return
    }
    if (position < this.#start) return
    this.#know(position)
    if (this.liveCount < settings.liveBufferSize) this.liveCount++
    if (!this.#isLive) return
    if (!this.backlog.acceptsLive) {
      this.#goBack(position)
      return
    }
    this.#add(event, true)
    this.push()
  }

  /** Goes on from the log. */
  #goBack(position: number): void {
    this.#isLive = false
    this.#next = position
  }

  #skip(position: number, count: number): void {
    if (this.parts.source.filter === undefined || count === 0) return
    this.#progress.skipped(position, count)
    this.#checkpoint(performance.now(), false)
  }

  #add(event: LogEvent, isLive: boolean): void {
    const { source, settings, writer } = this.parts
    const resolve = (): Resolved => (isLive ? writer.resolveLive(event) : writer.resolve(event))
    const position = source.positionOf(event)
    const message = new Message(settings.resolveLinkTos ? resolve() : { event, link: undefined }, event, position)
    this.#progress.add(message)
    this.unfinished.add(message)
    this.backlog.add(message)
    this.#know(position)
  }

  #know(position: number): void {
    if (this.lastKnown === undefined || this.lastKnown < position) this.lastKnown = position
  }

  /** In a turn of the event loop of its own. What cannot be read ends the group's work, as in EventStoreDB. */
  #later(run: () => void): void {
    setImmediate(() => {
      if (this.#isClosed || this.#hasFailed) return
      try {
        run()
      } catch (error) {
        this.#hasFailed = true
        if (!(error instanceof Failure)) reportFault(error)
        for (const consumer of [...this.consumers]) this.#drop(consumer)
      }
    })
  }

  #remove(consumer: Consumer): boolean {
    if (!this.consumers.delete(consumer)) return false
    this.parts.strategy.remove(consumer)
    return true
  }

  #drop(consumer: Consumer): void {
    this.#remove(consumer)
    consumer.connection.drop()
  }
}
