import {
  END,
  ErrorType,
  type EventStoreDBClient,
  isCommandError,
  PARK,
  type PersistentSubscriptionToAll,
  type PersistentSubscriptionToAllResolvedEvent,
  PINNED,
  persistentSubscriptionToAllSettingsFromDefaults,
  RETRY,
  streamNameFilter,
} from '@eventstore/db-client'
import type { Consumer, ConsumerGroups, Delivery } from '../cqrs/consumer-group.ts'
import { StoreUnavailable } from '../cqrs/event-store.ts'
import { unavailable } from './errors.ts'
import { toPosition, toRecordedEvent } from './recorded-event.ts'

/**
 * The kit's consumer groups as persistent subscriptions to `$all`. They run on the leader of a cluster.
 *
 * @param client gives the connection of the moment.
 */
export function consumerGroups(client: () => EventStoreDBClient, deadline: number): ConsumerGroups {
  const options = { deadline, requiresLeader: true }
  return {
    async ensureGroup({ group, streamPrefixes, messageTimeout, maxRetries }) {
      const settings = persistentSubscriptionToAllSettingsFromDefaults({
        startFrom: END,
        messageTimeout,
        maxRetryCount: maxRetries,
        consumerStrategyName: PINNED,
      })
      const filter = streamNameFilter({ prefixes: [...streamPrefixes] })
      try {
        await client().createPersistentSubscriptionToAll(group, settings, { ...options, filter })
      } catch (error) {
        if (!isOfType(error, ErrorType.PERSISTENT_SUBSCRIPTION_EXISTS)) throw unavailable(error)
      }
    },
    join: (group, buffer) => GroupConsumer.join(client(), group, buffer, deadline),
    async groupStatus(group) {
      try {
        const { stats } = await client().getPersistentSubscriptionToAllInfo(group, options)
        const { lastCheckpointedEventPosition: checkpoint, parkedMessageCount } = stats
        return { position: checkpoint ? toPosition(checkpoint) : 0, parked: Number(parkedMessageCount) }
      } catch (error) {
        if (isOfType(error, ErrorType.PERSISTENT_SUBSCRIPTION_DOES_NOT_EXIST)) return undefined
        throw unavailable(error)
      }
    },
    async replayParked(group) {
      await client()
        .replayParkedMessagesToAll(group, options)
        .catch((error: unknown) => {
          throw unavailable(error)
        })
    },
  }
}

const isOfType = (error: unknown, type: ErrorType) =>
  error instanceof Error && isCommandError(error) && error.type === type

class GroupConsumer implements Consumer {
  readonly deliveries: AsyncIterable<Delivery>
  readonly #client: EventStoreDBClient
  readonly #group: string
  readonly #deadline: number
  readonly #subscription: PersistentSubscriptionToAll
  readonly #waiting: Delivery[] = []
  /** Why there are no more deliveries; null where the consumer has left. */
  #end: Error | null | undefined
  #wake: () => void = () => undefined

  static async join(
    client: EventStoreDBClient,
    group: string,
    buffer: number,
    deadline: number,
  ): Promise<GroupConsumer> {
    const consumer = new GroupConsumer(client, group, buffer, deadline)
    await consumer.#confirmed()
    return consumer
  }

  private constructor(client: EventStoreDBClient, group: string, buffer: number, deadline: number) {
    this.#client = client
    this.#group = group
    this.#deadline = deadline
    const subscription = client.subscribeToPersistentSubscriptionToAll(group, {
      bufferSize: buffer,
      requiresLeader: true,
    })
    this.#subscription = subscription
    subscription
      .on('data', (resolved: PersistentSubscriptionToAllResolvedEvent) => this.#receive(resolved))
      .on('error', (error) => this.#over(unavailable(error)))
      .on('end', () => this.#over(new StoreUnavailable('the persistent subscription ended', 'not-appended')))
    this.deliveries = this.#deliver()
  }

  async leave(): Promise<void> {
    if (this.#end === undefined) {
      this.#over(null)
      // Settlements are not answered. An answer to what was asked after them on the same connection says that they have come.
      await this.#client
        .getPersistentSubscriptionToAllInfo(this.#group, { deadline: this.#deadline, requiresLeader: true })
        .catch(() => undefined)
    }
    await this.#subscription.unsubscribe().catch(() => undefined)
  }

  async #confirmed(): Promise<void> {
    const isLate = new StoreUnavailable(`no persistent subscription within ${this.#deadline} ms`, 'not-appended')
    const timer = setTimeout(() => this.#over(isLate), this.#deadline)
    await new Promise<void>((resolve) => {
      this.#wake = resolve
      this.#subscription.once('confirmation', resolve)
    })
    clearTimeout(timer)
    if (!this.#end) return
    await this.leave()
    throw this.#end
  }

  #receive(resolved: PersistentSubscriptionToAllResolvedEvent): void {
    const { event, retryCount } = resolved
    const settle = (send: Promise<void>) => send.catch((error: unknown) => this.#over(unavailable(error)))
    if (!event) {
      // Of a link whose target is gone.
      settle(this.#subscription.ack(resolved))
      return
    }
    this.#waiting.push({
      event: toRecordedEvent(event),
      retries: retryCount,
      done: () => void settle(this.#subscription.ack(resolved)),
      retry: (reason) => void settle(this.#subscription.nack(RETRY, reason, resolved)),
      park: (reason) => void settle(this.#subscription.nack(PARK, reason, resolved)),
    })
    this.#wake()
  }

  #over(reason: Error | null): void {
    if (this.#end === undefined) this.#end = reason
    this.#wake()
  }

  async *#deliver(): AsyncIterable<Delivery> {
    for (;;) {
      for (const delivery of this.#waiting.splice(0)) {
        if (this.#end !== undefined) break
        yield delivery
      }
      if (this.#end) throw this.#end
      if (this.#end === null) return
      if (this.#waiting.length > 0) continue
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }
}
