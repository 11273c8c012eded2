import { randomUUID } from 'node:crypto'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { onTestFinished } from 'vitest'
import { Committer } from '../../../src/embedded-node/commit.ts'
import { Any } from '../../../src/embedded-node/decide.ts'
import { EventWriter } from '../../../src/embedded-node/links.ts'
import { LiveFeed } from '../../../src/embedded-node/live-feed.ts'
import { Log } from '../../../src/embedded-node/log.ts'
import type { Connection, Consumer, Message } from '../../../src/embedded-node/persistent/consumer.ts'
import type { Group } from '../../../src/embedded-node/persistent/group.ts'
import { Groups } from '../../../src/embedded-node/persistent/groups.ts'
import { RecentIds } from '../../../src/embedded-node/recent-ids.ts'
import { Streams } from '../../../src/embedded-node/stream-state.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

/** The parts of a node that serve a group, without the network. */
export class Node {
  readonly log = new Log(temporaryFolder())
  readonly feed = new LiveFeed(this.log.links)
  readonly streams = new Streams(this.log)
  readonly committer = new Committer(this.log, this.streams, new RecentIds(this.log), (all) => this.feed.publish(all))
  groups = this.#groups()

  constructor() {
    onTestFinished(() => {
      this.groups.close()
      this.committer.stop()
      this.log.close()
    })
  }

  #groups(): Groups {
    const { log, feed, streams } = this
    return new Groups({ log, feed, streams, writer: new EventWriter(streams) }, this.committer)
  }

  /** What a crash leaves is what the log has. */
  crash(): void {
    this.groups.close()
    this.groups = this.#groups()
  }

  append(stream: string, type = 't'): Promise<void> {
    const event = { id: randomUUID(), type, json: true, metadata: Buffer.alloc(0), data: Buffer.from('{}') }
    return new Promise((resolve) =>
      this.committer.write({ kind: 'append', stream, expected: Any, events: [event], answer: () => resolve() }),
    )
  }
}

/** A consumer that holds what it gets until it is told what to do with it. */
export class Client implements Connection {
  readonly name = 'client'
  readonly user = 'system'
  readonly isFull = false
  isDropped = false
  readonly held: Message[] = []
  readonly #onMessage: (message: Message) => void
  readonly group: Group
  readonly consumer: Consumer

  constructor(group: Group, bufferSize: number, onMessage: (message: Message) => void = () => {}) {
    this.#onMessage = onMessage
    this.group = group
    this.consumer = group.connect(this, bufferSize)
  }

  send(message: Message): void {
    this.held.push(message)
    this.#onMessage(message)
  }

  /** Answers the first messages that it holds. */
  acknowledge(count: number): void {
    this.group.acknowledge(this.held.slice(0, count).map(({ id }) => id))
  }

  drop(): void {
    this.isDropped = true
  }
}

/** Time enough for reads and writes to come to an end. */
export async function quiet(): Promise<void> {
  for (let turn = 0; turn < 6; turn++) await nextTurn()
}
