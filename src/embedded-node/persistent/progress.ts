import type { Message } from './consumer.ts'

export interface CheckpointSettings {
  /** Milliseconds between two checkpoints; 0: only {@link maxCheckPointCount} counts. */
  readonly checkPointAfter: number
  readonly minCheckPointCount: number
  readonly maxCheckPointCount: number
}

/** How far a group has come, and when that is to be written down. */
export class Progress {
  readonly #settings: CheckpointSettings
  #next = 0
  #last = -1
  /** Undefined before the first message of a group that has no checkpoint. */
  #lastPosition: number | undefined
  #checkpointed = -1
  #checkpointedAt = Number.NEGATIVE_INFINITY

  /** `checkpoint` is where the group goes on. */
  constructor(settings: CheckpointSettings, checkpoint: number | undefined) {
    this.#settings = settings
    if (checkpoint === undefined) return
    this.#next = 1
    this.#last = 0
    this.#checkpointed = 0
    this.#lastPosition = checkpoint
  }

  /** Gives a message its place in the order. */
  add(message: Message): void {
    message.sequence = this.#next++
    message.previous = this.#lastPosition
    this.#last = message.sequence
    this.#lastPosition = message.position
  }

  /** Everything behind the last message and up to a position is left out by the filter. */
  skipped(position: number, count: number): void {
    this.#next += count
    this.#last = this.#next - 1
    this.#lastPosition = position
  }

  /**
   * The position of the checkpoint to write now, if one is due. Everything up to it is finished; `first` is the first
   * message that is not. `now` is in milliseconds; `isTick` is true when time has passed and nothing else has happened.
   */
  checkpointDue(first: Message | undefined, now: number, isTick: boolean): number | undefined {
    const { checkPointAfter, minCheckPointCount, maxCheckPointCount } = this.#settings
    const sequence = first?.sequence === undefined ? this.#last : first.sequence - 1
    const position = first === undefined ? this.#lastPosition : first.previous
    const finished = sequence - this.#checkpointed
    if (position === undefined || finished <= 0) return undefined
    const isTime = checkPointAfter !== 0 && now - this.#checkpointedAt >= checkPointAfter
    const isMuch = finished >= maxCheckPointCount
    if (!isMuch && !(isTime && isTick && finished >= minCheckPointCount)) return undefined
    this.#checkpointed = sequence
    this.#checkpointedAt = now
    return position
  }
}
