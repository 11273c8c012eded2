import { setTimeout as sleep } from 'node:timers/promises'
import {
  type AllStreamResolvedEvent,
  type Filter as ClientFilter,
  END,
  type EventStoreDBClient,
  eventTypeFilter,
  excludeSystemEvents,
  type PersistentSubscriptionToAll,
  type PersistentSubscriptionToStream,
  persistentSubscriptionToAllSettingsFromDefaults,
  persistentSubscriptionToStreamSettingsFromDefaults,
  type ResolvedEvent,
  START,
  streamNameFilter,
} from '@eventstore/db-client'
import { z } from 'zod'
import { type Answer, type Filter, type Settings, THEN } from './group-operations.ts'
import type { Names } from './names.ts'
import type { GroupOperation, Json, Operation } from './operations.ts'

/** How long a consumer is waited for, and how long it must then be quiet: nothing more may come. */
const DEADLINE_MS = 5_000
const QUIET_MS = 200

const awaited = z.object({
  confirmed: z.boolean(),
  error: z.json(),
  delivered: z.array(z.json()),
  live: z.array(z.json()),
  [THEN]: z.array(z.json()),
})

type Delivered = (ResolvedEvent | AllStreamResolvedEvent) & { retryCount: number }
type Subscription = PersistentSubscriptionToStream | PersistentSubscriptionToAll
type Consume = Extract<GroupOperation, { op: 'consume' }>

/** Sends the operations on persistent subscriptions. */
export class GroupReplay {
  readonly #client: EventStoreDBClient
  readonly #names: Names
  readonly #execute: (op: Operation, recorded?: Json) => Promise<unknown>

  constructor(client: EventStoreDBClient, names: Names, execute: (op: Operation, recorded?: Json) => Promise<unknown>) {
    this.#client = client
    this.#names = names
    this.#execute = execute
  }

  /** `recorded` tells only how long to wait for a consumer. */
  async execute(op: GroupOperation, recorded: Json | undefined): Promise<unknown> {
    const group = this.#names.physicalGroup(op.group)
    const stream = this.#physical(op.stream)
    if (op.op === 'pinfo') return this.#info(stream, group)
    if (op.op === 'plist') return this.#list(stream)
    if (op.op === 'readParked') return this.#readParked(stream, group)
    if (op.op === 'consume') return this.#consume(op, awaited.optional().parse(recorded))
    if (op.op === 'pcreate') await this.#create(stream, group, op.settings, op.filter)
    if (op.op === 'pupdate') await this.#update(stream, group, op.settings)
    if (op.op === 'pdelete') await this.#delete(stream, group)
    if (op.op === 'preplay') await this.#replayParked(stream, group, op.stopAt)
    return {}
  }

  #physical(stream: string): string {
    return stream === '$all' ? stream : this.#names.physical(stream)
  }

  async #create(stream: string, group: string, settings: Settings, filter: Filter | undefined): Promise<void> {
    if (stream !== '$all') {
      await this.#client.createPersistentSubscriptionToStream(stream, group, toStream(settings))
      return
    }
    const options = filter === undefined ? {} : { filter: this.#filter(filter) }
    await this.#client.createPersistentSubscriptionToAll(group, this.#toAll(settings), options)
  }

  #update(stream: string, group: string, settings: Settings): Promise<void> {
    return stream === '$all'
      ? this.#client.updatePersistentSubscriptionToAll(group, this.#toAll(settings))
      : this.#client.updatePersistentSubscriptionToStream(stream, group, toStream(settings))
  }

  #delete(stream: string, group: string): Promise<void> {
    return stream === '$all'
      ? this.#client.deletePersistentSubscriptionToAll(group)
      : this.#client.deletePersistentSubscriptionToStream(stream, group)
  }

  #replayParked(stream: string, group: string, stopAt: number | undefined): Promise<void> {
    const options = stopAt === undefined ? {} : { stopAt }
    return stream === '$all'
      ? this.#client.replayParkedMessagesToAll(group, options)
      : this.#client.replayParkedMessagesToStream(stream, group, options)
  }

  async #info(stream: string, group: string): Promise<unknown> {
    const info =
      stream === '$all'
        ? await this.#client.getPersistentSubscriptionToAllInfo(group)
        : await this.#client.getPersistentSubscriptionToStreamInfo(stream, group)
    const { startFrom, ...settings } = info.settings
    return {
      source: this.#names.logical(info.eventSource),
      group: this.#names.logicalGroup(info.groupName),
      status: info.status,
      // A position differs from store to store.
      settings: { ...settings, ...(stream === '$all' ? {} : { startFrom: String(startFrom) }) },
      connections: info.connections.length,
      parked: String(info.stats.parkedMessageCount),
    }
  }

  async #list(stream: string): Promise<unknown> {
    const infos =
      stream === '$all'
        ? await this.#client.listPersistentSubscriptionsToAll()
        : await this.#client.listPersistentSubscriptionsToStream(stream)
    const groups = infos.map(({ groupName }) => groupName).filter((name) => name.endsWith(`-${this.#names.prefix}`))
    return { groups: groups.map((name) => this.#names.logicalGroup(name)) }
  }

  async #readParked(stream: string, group: string): Promise<unknown> {
    const events: unknown[] = []
    const parked = `$persistentsubscription-${stream}::${group}-parked`
    for await (const { event, link } of this.#client.readStream(parked, { resolveLinkTos: true })) {
      for (const record of [event, link]) this.#names.see(record?.position)
      events.push({ event: event === undefined ? null : `${event.revision}@${this.#names.logical(event.streamId)}` })
    }
    return { events }
  }

  async #consume(op: Consume, recorded: z.infer<typeof awaited> | undefined): Promise<unknown> {
    const group = this.#names.physicalGroup(op.group)
    const settings = { bufferSize: op.buffer }
    const subscription: Subscription =
      op.stream === '$all'
        ? this.#client.subscribeToPersistentSubscriptionToAll(group, settings)
        : this.#client.subscribeToPersistentSubscriptionToStream(this.#physical(op.stream), group, settings)
    const queues = new Map(Object.entries(op.actions).map(([id, answers]) => [id, [...answers]]))
    const delivered: unknown[] = []
    let confirmed = false
    let error: unknown = null
    let lastChange = Date.now()
    subscription.on('confirmation', () => {
      confirmed = true
    })
    subscription.on('error', (reason: unknown) => {
      error = this.#names.failure(reason)
    })
    subscription.on('data', (event: Delivered) => {
      lastChange = Date.now()
      const isOurs = this.#names.owns((event.event ?? event.link)?.streamId ?? '')
      const id = this.#names.logicalId((event.event ?? event.link)?.id ?? '')
      const answer = isOurs ? (queues.get(id)?.shift() ?? op.rest) : 'ack'
      if (isOurs) delivered.push(this.#delivery(event, id, answer))
      send(subscription, event, answer)
    })
    const quiet = recorded === undefined ? 3 * op.quiet : QUIET_MS
    const calm = async (complete: () => boolean): Promise<void> => {
      const deadline = Date.now() + Math.max(DEADLINE_MS, 2 * quiet)
      while (Date.now() < deadline && !(complete() && Date.now() - lastChange > quiet)) await sleep(10)
    }
    const outcomes: unknown[] = []
    const mayBeRefused = recorded?.confirmed !== true
    const first = recorded?.delivered.length ?? 0
    await calm(() => delivered.length >= first && (confirmed || (mayBeRefused && error !== null)))
    const before = delivered.length
    for (const [index, inner] of op[THEN].entries()) outcomes.push(await this.#execute(inner, recorded?.[THEN][index]))
    lastChange = Date.now()
    const total = first + (recorded?.live.length ?? 0)
    const isOver = () => recorded === undefined || (error !== null) === (recorded.error !== null)
    await calm(() => delivered.length >= total && isOver())
    if (error === null) await subscription.unsubscribe()
    return { confirmed, error, delivered: delivered.slice(0, before), live: delivered.slice(before), [THEN]: outcomes }
  }

  #delivery({ event, link, retryCount }: Delivered, id: string, answer: Answer): unknown {
    const record = event ?? link
    return [
      this.#names.logical(record?.streamId ?? ''),
      String(record?.revision),
      id,
      retryCount,
      answer,
      ...(event === undefined || link === undefined
        ? []
        : [`link ${link.revision}@${this.#names.logical(link.streamId)}`]),
    ]
  }

  #filter({ types, typeRegex, streams, streamRegex }: Filter): ClientFilter {
    if (types !== undefined) return eventTypeFilter({ prefixes: types })
    if (typeRegex !== undefined) return eventTypeFilter({ regex: typeRegex })
    if (streams !== undefined) return streamNameFilter({ prefixes: streams.map((name) => this.#names.physical(name)) })
    if (streamRegex !== undefined) {
      return streamNameFilter({ regex: streamRegex.replaceAll('{prefix}', this.#names.prefix) })
    }
    return excludeSystemEvents()
  }

  #toAll({ startFrom, ...settings }: Settings) {
    const position = typeof startFrom === 'object' ? this.#names.position(startFrom) : startFrom === 'end' ? END : START
    return persistentSubscriptionToAllSettingsFromDefaults({ ...settings, startFrom: position })
  }
}

function toStream({ startFrom, ...settings }: Settings) {
  const revision = startFrom === 'start' ? START : startFrom === 'end' ? END : BigInt(String(startFrom))
  return persistentSubscriptionToStreamSettingsFromDefaults({ ...settings, startFrom: revision })
}

/** The call may be over meanwhile: the outcome says so. */
function send(subscription: Subscription, event: Delivered, answer: Answer): void {
  if (answer === 'none') return
  const sent = answer === 'ack' ? subscription.ack(event) : subscription.nack(answer, 'replayed', event)
  sent.catch(() => {})
}
