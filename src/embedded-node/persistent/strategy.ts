import type { Consumer, Message } from './consumer.ts'

/** `skipped`: its consumer has no room, others may have. `stop`: no consumer has room. */
export type PushResult = 'sent' | 'skipped' | 'stop'

/** How a group chooses the consumer of a message. */
export interface Strategy {
  add(consumer: Consumer): void
  remove(consumer: Consumer): void
  push(message: Message): PushResult
  /** The consumer that had the message has answered it, or it was taken away. */
  released(message: Message, consumer: Consumer): void
}
