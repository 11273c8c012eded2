import persistent from '@eventstore/db-client/generated/persistent_pb.js'
import type { Metadata } from '@grpc/grpc-js'
import { uuid } from '../appends.ts'
import { type UuidForm, writeDelivery } from '../event-message.ts'
import { Outbox, type StreamingCall } from '../outbox.ts'
import { badArgument, handlerThrew, toStatus } from '../status.ts'
import type { Connection, Consumer, Message } from './consumer.ts'
import { type GroupName, groupDropped, groupIsFull } from './failures.ts'
import type { Group, NackAction } from './group.ts'
import type { Groups } from './groups.ts'
import { parseTarget } from './requests.ts'

/** Bytes that wait for the socket: with more, the group waits with the next message. */
const MAX_WAITING_BYTES = 4 * 1024 * 1024

interface ReadCall extends StreamingCall {
  readonly metadata: Metadata
  on(event: 'data', listener: (request: persistent.ReadReq) => void): unknown
  on(event: 'end', listener: () => void): unknown
}

interface Caller {
  readonly user: string
  /** Throws where the caller may not read the stream of the group. */
  check(this: void, stream: string): void
}

const { Action } = persistent.ReadReq.Nack
const ACTIONS = new Map<number, NackAction>([
  // An action that the client does not know better is tried again.
  [Action.UNKNOWN, 'retry'],
  [Action.PARK, 'park'],
  [Action.RETRY, 'retry'],
  [Action.SKIP, 'skip'],
  [Action.STOP, 'stop'],
])

/** One Read call: a consumer of a group. The first message names the group, all others are answers to its events. */
export class Reading implements Connection {
  readonly name: string
  readonly user: string
  readonly #groups: Groups
  readonly #check: (stream: string) => void
  readonly #outbox: Outbox
  #name: GroupName = { stream: '', group: '' }
  #joined: { readonly group: Group; readonly consumer: Consumer } | undefined
  #form: UuidForm = 'string'
  #waiting: Buffer[] = []
  #waitingBytes = 0
  #isFlushing = false
  /** Whether the client sent what is no answer: then, as with EventStoreDB, nothing that it sends counts any longer. */
  #isDeaf = false
  #isDropped = false

  constructor(groups: Groups, call: ReadCall, { user, check }: Caller, onClosed: () => void) {
    this.user = user
    this.#groups = groups
    this.#check = check
    this.name = String(call.metadata.get('connection-name')[0] ?? '<unknown>')
    this.#outbox = new Outbox(call, () => {
      if (this.#joined !== undefined) this.#joined.group.disconnect(this.#joined.consumer)
      onClosed()
    })
    call.on('data', (request) => this.#accept(request))
    call.on('end', () => {
      if (this.#joined === undefined) this.#outbox.end()
    })
  }

  get isFull(): boolean {
    return this.#waitingBytes >= MAX_WAITING_BYTES
  }

  send(message: Message): void {
    this.#enqueue(writeDelivery(message.event, message.link, this.#form, message.retryCount))
  }

  drop(): void {
    this.#isDropped = true
    this.#schedule()
  }

  shutDown(): void {
    this.#outbox.shutDown()
  }

  #accept(request: persistent.ReadReq): void {
    if (this.#isDeaf) return
    try {
      if (this.#joined === undefined) this.#join(request.getOptions())
      else answer(this.#joined.group, request)
    } catch (error) {
      this.#isDeaf = true
      if (this.#joined === undefined) this.#outbox.fail(toStatus(error))
    }
  }

  #join(options: persistent.ReadReq.Options | undefined): void {
    this.#name = parseTarget(options)
    this.#check(this.#name.stream)
    const form = options?.getUuidOption()
    const bufferSize = options?.getBufferSize() ?? 0
    if (form === undefined || bufferSize <= 0 || this.#name.group === '') throw handlerThrew()
    this.#form = form.hasString() ? 'string' : 'structured'
    const group = this.#groups.get(this.#name)
    if (group.isFull) throw groupIsFull(this.#name)
    this.#enqueue(confirmation(this.#name))
    this.#joined = { group, consumer: group.connect(this, bufferSize) }
  }

  #enqueue(frame: Buffer): void {
    this.#waiting.push(frame)
    this.#waitingBytes += frame.length
    this.#schedule()
  }

  /** What one turn of the event loop delivers travels together. */
  #schedule(): void {
    if (this.#isFlushing) return
    this.#isFlushing = true
    queueMicrotask(() => {
      this.#flush().catch((error: unknown) => this.#outbox.fail(toStatus(error)))
    })
  }

  async #flush(): Promise<void> {
    while (this.#waiting.length > 0 && this.#outbox.isOpen) {
      const frames = this.#waiting
      const wasFull = this.isFull
      this.#waiting = []
      this.#waitingBytes = 0
      await this.#outbox.send(frames)
      if (wasFull) this.#joined?.group.push()
    }
    this.#isFlushing = false
    if (this.#isDropped) this.#outbox.fail(groupDropped(this.#name).status)
  }
}

function answer(group: Group, request: persistent.ReadReq): void {
  const ack = request.getAck()
  const nack = request.getNack()
  const action = nack === undefined ? undefined : ACTIONS.get(nack.getAction())
  if (ack !== undefined) group.acknowledge(idsIn(ack))
  else if (nack !== undefined && action !== undefined) group.refuse(idsIn(nack), action, nack.getReason())
  else throw badArgument('A message is neither ack nor nack')
}

function idsIn(message: persistent.ReadReq.Ack | persistent.ReadReq.Nack): string[] {
  return message.getIdsList().map((id) => {
    const text = uuid(id)
    if (text === undefined) throw badArgument('An id is no UUID')
    return text
  })
}

function confirmation({ stream, group }: GroupName): Buffer {
  const message = new persistent.ReadResp.SubscriptionConfirmation().setSubscriptionId(`${stream}::${group}`)
  return Buffer.from(new persistent.ReadResp().setSubscriptionConfirmation(message).serializeBinary())
}
