import { randomUUID } from 'node:crypto'
import { EventEmitter } from 'node:events'
import { expect, onTestFinished, test } from 'vitest'
import { Budget } from '../../src/embedded-node/budget.ts'
import { Committer } from '../../src/embedded-node/commit.ts'
import { Any } from '../../src/embedded-node/decide.ts'
import { EventWriter } from '../../src/embedded-node/links.ts'
import { LiveFeed } from '../../src/embedded-node/live-feed.ts'
import { Log } from '../../src/embedded-node/log.ts'
import { type Frames, Outbox, type StreamingCall } from '../../src/embedded-node/outbox.ts'
import { RecentIds } from '../../src/embedded-node/recent-ids.ts'
import { StreamSource } from '../../src/embedded-node/sources.ts'
import { Streams } from '../../src/embedded-node/stream-state.ts'
import { Subscription } from '../../src/embedded-node/subscription.ts'
import { Turns } from '../../src/embedded-node/turns.ts'
import { eventually } from '../support/eventually.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

function openStore() {
  const log = new Log(temporaryFolder())
  const streams = new Streams(log)
  const feed = new LiveFeed(log.links)
  const committer = new Committer(log, streams, new RecentIds(log), (events) => feed.publish(events))
  onTestFinished(() => {
    committer.stop()
    log.close()
  })
  const append = (size: number) =>
    new Promise((answer) => {
      const content = { json: false, metadata: Buffer.alloc(0), data: Buffer.alloc(size) }
      const events = [{ id: randomUUID(), type: 't', ...content }]
      committer.writeForClient({ kind: 'append', stream: 's', expected: Any, events, answer })
    })
  return { store: { log, streams, feed, writer: new EventWriter(streams) }, append }
}

/** A client that takes nothing before it is told to. */
class Client extends EventEmitter implements StreamingCall {
  readonly cancelled = false
  messages = 0
  #take: (() => void) | undefined
  #isTaking = false

  write(frames: Frames, written: () => void): boolean {
    this.#take = () => {
      this.messages += frames.length
      written()
    }
    if (this.#isTaking) this.#take()
    return true
  }

  end(): void {}

  takeOne(): void {
    this.#take?.()
  }

  takeAll(): void {
    this.#isTaking = true
    this.#take?.()
  }
}

test('what subscriptions keep for clients is bounded, of all together; the log has the rest', async () => {
  const { store, append } = openStore()
  const budget = new Budget(10_000)
  const clients = Array.from({ length: 3 }, () => {
    const client = new Client()
    const request = {
      kind: 'stream-subscription',
      stream: 's',
      from: 'start',
      resolveLinks: false,
      form: 'string',
    } as const
    const outbox = new Outbox(client, () => subscription.cancel())
    const subscription: Subscription = new Subscription(new StreamSource(store, request), outbox, new Turns(), budget)
    const over = subscription.run()
    onTestFinished(async () => {
      client.emit('cancelled')
      await over
    })
    return client
  })
  await append(1_000)
  for (const client of clients) client.takeOne()
  for (let left = 29; left > 0; left--) await append(1_000)
  expect(budget.held).toBeGreaterThan(8_000)
  expect(budget.held).toBeLessThan(15_000)
  for (const client of clients) client.takeAll()
  // The confirmation, 30 events, and that it has caught up.
  await eventually(() => clients.every(({ messages }) => messages === 32), 'each has all events')
  expect(budget.held).toBe(0)
})
