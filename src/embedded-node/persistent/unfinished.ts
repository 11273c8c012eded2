import type { Message } from './consumer.ts'

interface Entry {
  /** More than one where events with the same id were delivered: an answer counts for all. */
  readonly messages: Message[]
  /** Milliseconds of `performance.now()`. */
  readonly expires: number
}

/** The messages of a group that are not finished, whether they were delivered or not. */
export class Unfinished {
  /** Those that a consumer has, by event id; the oldest delivery first. */
  readonly #delivered = new Map<string, Entry>()
  /** All but replayed ones, by sequence, lowest first: they enter in that order and leave for good. */
  readonly #bySequence = new Map<number, Message>()

  /** Messages that consumers have. */
  get deliveredCount(): number {
    return this.#delivered.size
  }

  /** The first message that is not finished, or undefined when all are. */
  get first(): Message | undefined {
    return this.#bySequence.values().next().value
  }

  add(message: Message): void {
    if (message.sequence !== undefined) this.#bySequence.set(message.sequence, message)
  }

  delivered(message: Message, expires: number): void {
    const entry = this.#delivered.get(message.id)
    if (entry === undefined) this.#delivered.set(message.id, { messages: [message], expires })
    else entry.messages.push(message)
  }

  /** Takes what was delivered with this event id away from its consumers; it is not finished by that. */
  take(id: string): readonly Message[] {
    const entry = this.#delivered.get(id)
    this.#delivered.delete(id)
    return entry?.messages ?? []
  }

  /** Takes one message away from its consumer; it is not finished by that. */
  takeOne(message: Message): void {
    const entry = this.#delivered.get(message.id)
    const index = entry?.messages.indexOf(message) ?? -1
    if (entry === undefined || index < 0) return
    entry.messages.splice(index, 1)
    if (entry.messages.length === 0) this.#delivered.delete(message.id)
  }

  /** Event ids of the messages whose time is over. */
  expired(now: number): string[] {
    const ids: string[] = []
    for (const [id, { expires }] of this.#delivered) {
      if (expires > now) break
      ids.push(id)
    }
    return ids
  }

  finish(message: Message): void {
    if (message.sequence !== undefined) this.#bySequence.delete(message.sequence)
  }
}
