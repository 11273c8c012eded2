import { randomUUID } from 'node:crypto'
import shared from '@eventstore/db-client/generated/shared_pb.js'
import streams from '@eventstore/db-client/generated/streams_pb.js'
import empty from 'google-protobuf/google/protobuf/empty_pb.js'
import type { Random } from './random.ts'

const STREAMS = '/event_store.client.streams.Streams'

export const PATHS = {
  read: `${STREAMS}/Read`,
  append: `${STREAMS}/Append`,
  batchAppend: `${STREAMS}/BatchAppend`,
  delete: `${STREAMS}/Delete`,
  tombstone: `${STREAMS}/Tombstone`,
  features: '/event_store.client.server_features.ServerFeatures/GetSupportedMethods',
  gossip: '/event_store.client.gossip.Gossip/Read',
} as const

/** Valid messages of one call of each kind, to be mutated. */
export const VALID: readonly [Call, ...Call[]] = [
  { path: PATHS.read, messages: (random) => [readRequest(random)] },
  { path: PATHS.append, messages: classicAppend },
  { path: PATHS.batchAppend, messages: (random) => Array.from({ length: 1 + random.below(4) }, () => batchAppend({})) },
  { path: PATHS.delete, messages: () => [deletion().serializeBinary()] },
  { path: PATHS.tombstone, messages: () => [deletion().serializeBinary()] },
  { path: PATHS.features, messages: () => [new Uint8Array()] },
  { path: PATHS.gossip, messages: () => [new Uint8Array()] },
]

export interface Call {
  readonly path: string
  readonly messages: (random: Random) => readonly Uint8Array[]
}

export const streamName = (): string => `fuzz-${randomUUID()}`

const named = (name = streamName()) => new shared.StreamIdentifier().setStreamName(Buffer.from(name))
const uuid = () => new shared.UUID().setString(randomUUID())

function deletion(): streams.TombstoneReq {
  const options = new streams.TombstoneReq.Options().setStreamIdentifier(named()).setAny(new shared.Empty())
  return new streams.TombstoneReq().setOptions(options)
}

function classicAppend(random: Random): Uint8Array[] {
  const options = new streams.AppendReq.Options().setStreamIdentifier(named()).setAny(new shared.Empty())
  const event = new streams.AppendReq.ProposedMessage().setId(uuid()).setData(random.bytes(random.below(100)))
  event.getMetadataMap().set('type', 'fuzzed').set('content-type', 'application/json')
  return [
    new streams.AppendReq().setOptions(options).serializeBinary(),
    new streams.AppendReq().setProposedMessage(event).serializeBinary(),
  ]
}

/** One chunk of an append. */
export function batchAppend({ final = true, events = 1, size = 10, type = 'fuzzed' }): Uint8Array {
  const options = new streams.BatchAppendReq.Options().setStreamIdentifier(named()).setAny(new empty.Empty())
  const messages = Array.from({ length: events }, () => {
    const event = new streams.BatchAppendReq.ProposedMessage().setId(uuid()).setData(Buffer.alloc(size))
    event.getMetadataMap().set('type', type).set('content-type', 'application/json')
    return event
  })
  const request = new streams.BatchAppendReq().setCorrelationId(uuid()).setOptions(options)
  return request.setProposedMessagesList(messages).setIsFinal(final).serializeBinary()
}

/** One append of so many of the smallest events there are. */
export function tinyEvents(count: number): Uint8Array {
  const event = new streams.BatchAppendReq.ProposedMessage().setId(uuid())
  event.getMetadataMap().set('type', 't').set('content-type', 'a')
  const bytes = event.serializeBinary()
  const field = Buffer.concat([Buffer.from([0x1a, bytes.length]), bytes])
  return Buffer.concat([batchAppend({ events: 0 }), Buffer.alloc(field.length * count, field)])
}

const HUGE = ['0', '1', '4096', '9007199254740993', '9223372036854775807', '18446744073709551615'] as const
const EXPRESSIONS = [
  '^(a+)+$',
  '(?=x)',
  '(',
  '[ab]*a[ab]{900}[xy]',
  'a{1000}{1000}',
  '(?:a{1000}){1000}',
  `${'('.repeat(2_000)}a${')'.repeat(2_000)}`,
  '(((((((.*)*)*)*)*)*)*)*!',
  '\\p{L}{900}',
  `${'(?:x|'.repeat(200)}y${')'.repeat(200)}`,
  '\ud83d',
  'a'.repeat(100_000),
] as const

/** A subscription to everything, from now on. */
export function subscription(): Uint8Array {
  const options = new streams.ReadReq.Options().setUuidOption(new streams.ReadReq.Options.UUIDOption())
  options.setSubscription(new streams.ReadReq.Options.SubscriptionOptions()).setNoFilter(new shared.Empty())
  options.setAll(new streams.ReadReq.Options.AllOptions().setEnd(new shared.Empty()))
  return new streams.ReadReq().setOptions(options).serializeBinary()
}

/** A read of any kind, with absurd counts, positions, intervals and filters among them. */
export function readRequest(random: Random, subscribe = random.below(2) === 0): Uint8Array {
  const options = new streams.ReadReq.Options().setUuidOption(new streams.ReadReq.Options.UUIDOption())
  options.setReadDirection(random.pick([0, 0, 0, 1])).setResolveLinks(random.below(2) === 0)
  if (subscribe) options.setSubscription(new streams.ReadReq.Options.SubscriptionOptions())
  else options.setCount(random.pick(HUGE))
  if (random.below(3) === 0) {
    const stream = new streams.ReadReq.Options.StreamOptions().setStreamIdentifier(named())
    options.setStream(stream.setRevision(random.pick(HUGE))).setNoFilter(new shared.Empty())
    return new streams.ReadReq().setOptions(options).serializeBinary()
  }
  const position = new streams.ReadReq.Options.Position()
  position.setCommitPosition(random.pick(HUGE)).setPreparePosition(random.pick(HUGE))
  const all = new streams.ReadReq.Options.AllOptions()
  options.setAll(random.below(2) === 0 ? all.setStart(new shared.Empty()) : all.setPosition(position))
  if (random.below(2) === 0) options.setNoFilter(new shared.Empty())
  else options.setFilter(filter(random))
  return new streams.ReadReq().setOptions(options).serializeBinary()
}

function filter(random: Random): streams.ReadReq.Options.FilterOptions {
  const expression = new streams.ReadReq.Options.FilterOptions.Expression()
  if (random.below(4) === 0) expression.setPrefixList(Array.from({ length: random.pick([1, 100, 2_000]) }, String))
  else expression.setRegex(random.pick(EXPRESSIONS))
  const options = new streams.ReadReq.Options.FilterOptions()
  if (random.below(2) === 0) options.setEventType(expression)
  else options.setStreamIdentifier(expression)
  return options.setMax(random.pick([0, 1, 2 ** 32 - 1])).setCheckpointintervalmultiplier(random.pick([1, 2 ** 32 - 1]))
}

/** The same message, damaged in one to three ways. */
export function mutated(message: Uint8Array, random: Random): Buffer {
  let result: Buffer = Buffer.from(message)
  for (let left = 1 + random.below(3); left > 0; left--) result = random.pick(MUTATIONS)(result, random)
  return result
}

type Mutation = (message: Buffer, random: Random) => Buffer

const at = (message: Buffer, random: Random, inserted: Buffer): Buffer => {
  const offset = random.below(message.length + 1)
  return Buffer.concat([message.subarray(0, offset), inserted, message.subarray(offset)])
}

const MUTATIONS: readonly [Mutation, ...Mutation[]] = [
  (message, random) =>
    Buffer.from(message.map((byte) => (random.below(20) === 0 ? byte ^ (1 << random.below(8)) : byte))),
  (message, random) => message.subarray(0, random.below(message.length + 1)),
  (message, random) => Buffer.from(message.map((byte) => (random.below(10) === 0 ? random.below(256) : byte))),
  (message) => Buffer.concat([message, message]),
  // An unknown field, a varint without end, the start of 500 groups, a length beyond everything, no UTF-8.
  (message, random) => at(message, random, Buffer.from([0xfa, 0x7f, 0x03, 1, 2, 3])),
  (message, random) => at(message, random, Buffer.alloc(12, 0xff)),
  (message, random) => at(message, random, Buffer.alloc(500, 0x0b)),
  (message, random) => at(message, random, Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f])),
  (message, random) => at(message, random, Buffer.from([0x1a, 4, 0xc3, 0x28, 0xf0, 0x80])),
  (message, random) => at(message, random, random.bytes(random.below(50))),
  (message) => Buffer.concat([message, Buffer.alloc(100_000, Buffer.from([0x1a, 0]))]),
  (_, random) => random.bytes(random.below(300)),
]
