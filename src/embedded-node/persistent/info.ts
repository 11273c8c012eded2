import persistent from '@eventstore/db-client/generated/persistent_pb.js'
import type { Consumer } from './consumer.ts'
import type { Group } from './group.ts'

/** Counters at the last time that somebody asked: averages are over the time since then. */
interface Last {
  readonly at: number
  readonly totals: WeakMap<object, number>
}

const NEVER: Last = { at: 0, totals: new WeakMap() }
const lastTimes = new WeakMap<Group, Last>()

/** .NET's `(int)TimeSpan.MaxValue.TotalMilliseconds`: what EventStoreDB shows for no limit. */
const NO_LIMIT = -(2 ** 31)

/** What EventStoreDB tells about a group: its settings, and what it does now. */
export function describe(group: Group): persistent.SubscriptionInfo {
  const { source, settings, group: name, storage } = group.parts
  const { backlog, unfinished, lastCheckpointed, lastKnown } = group
  const before = lastTimes.get(group) ?? { ...NEVER, at: group.startedAt }
  const now: Last = { at: performance.now(), totals: new WeakMap() }
  lastTimes.set(group, now)
  const rate = rateSince(before, now)
  const consumers = [...group.consumers]
  return new persistent.SubscriptionInfo()
    .setEventSource(source.name)
    .setGroupName(name)
    .setStatus(group.status)
    .setConnectionsList(consumers.map((consumer) => connectionInfo(consumer, rate(consumer, consumer.totalItems))))
    .setAveragePerSecond(rate(group, group.totalItems).average)
    .setTotalItems(String(group.totalItems))
    .setCountSinceLastMeasurement(String(rate(group, group.totalItems).count))
    .setLastCheckpointedEventPosition(lastCheckpointed === undefined ? '' : source.format(lastCheckpointed))
    .setLastKnownEventPosition(lastKnown === undefined ? '' : source.format(lastKnown))
    .setResolveLinkTos(settings.resolveLinkTos)
    .setStartFrom(settings.startFrom)
    .setMessageTimeoutMilliseconds(settings.messageTimeout)
    .setExtraStatistics(settings.extraStatistics)
    .setMaxRetryCount(settings.maxRetryCount)
    .setLiveBufferSize(settings.liveBufferSize)
    .setBufferSize(settings.historyBufferSize)
    .setReadBatchSize(settings.readBatchSize)
    .setCheckPointAfterMilliseconds(settings.checkPointAfter === 0 ? NO_LIMIT : settings.checkPointAfter)
    .setMinCheckPointCount(settings.minCheckPointCount)
    .setMaxCheckPointCount(settings.maxCheckPointCount)
    .setReadBufferCount(backlog.readCount)
    .setLiveBufferCount(String(group.liveCount))
    .setRetryBufferCount(backlog.retryCount)
    .setTotalInFlightMessages(consumers.reduce((sum, consumer) => sum + consumer.unanswered.size, 0))
    .setOutstandingMessagesCount(unfinished.deliveredCount)
    .setNamedConsumerStrategy(settings.consumerStrategy)
    .setMaxSubscriberCount(settings.maxSubscriberCount)
    .setParkedMessageCount(String(storage.parkedCount))
}

interface Rate {
  readonly count: number
  /** Per second. */
  readonly average: number
}

function rateSince(before: Last, now: Last): (counted: object, total: number) => Rate {
  return (counted, total) => {
    now.totals.set(counted, total)
    const count = total - (before.totals.get(counted) ?? 0)
    const seconds = (now.at - before.at) / 1000
    return { count, average: seconds > 0 ? Math.trunc(count / seconds) : 0 }
  }
}

function connectionInfo(consumer: Consumer, { count, average }: Rate): persistent.SubscriptionInfo.ConnectionInfo {
  const measurements = consumer.measurements?.summary() ?? []
  return new persistent.SubscriptionInfo.ConnectionInfo()
    .setUsername(consumer.connection.user)
    .setConnectionName(consumer.connection.name)
    .setAverageItemsPerSecond(average)
    .setTotalItems(String(consumer.totalItems))
    .setCountSinceLastMeasurement(String(count))
    .setAvailableSlots(consumer.availableSlots)
    .setInFlightMessages(consumer.unanswered.size)
    .setObservedMeasurementsList(
      measurements.map(([key, value]) =>
        new persistent.SubscriptionInfo.Measurement().setKey(key).setValue(String(value)),
      ),
    )
}
