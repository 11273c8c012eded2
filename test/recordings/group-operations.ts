import { persistentSubscriptionToStreamSettingsFromDefaults, UNBOUNDED } from '@eventstore/db-client'
import { z } from 'zod'

/** The recordings' word for what follows; an object literal with it would look like a promise. */
export const THEN = 'then'

/** The operations on persistent subscriptions, as the recordings' README describes them. */

export const filter = z.strictObject({
  types: z.array(z.string()).optional(),
  typeRegex: z.string().optional(),
  streams: z.array(z.string()).optional(),
  streamRegex: z.string().optional(),
  system: z.boolean().optional(),
})
export type Filter = z.infer<typeof filter>

const target = { group: z.string(), stream: z.string().default('$all') }
const startFrom = z.union([z.string(), z.strictObject({ after: z.string() })]).default('start')

const { startFrom: _, ...defaults } = persistentSubscriptionToStreamSettingsFromDefaults()
const count = z.number()
const settings = z.strictObject({
  startFrom,
  resolveLinkTos: z.boolean().default(defaults.resolveLinkTos),
  extraStatistics: z.boolean().default(defaults.extraStatistics),
  messageTimeout: count.default(defaults.messageTimeout),
  maxRetryCount: count.default(defaults.maxRetryCount),
  checkPointAfter: count.default(defaults.checkPointAfter),
  checkPointLowerBound: count.default(defaults.checkPointLowerBound),
  checkPointUpperBound: count.default(defaults.checkPointUpperBound),
  maxSubscriberCount: z.union([count, z.literal(UNBOUNDED)]).default(defaults.maxSubscriberCount),
  liveBufferSize: count.default(defaults.liveBufferSize),
  readBatchSize: count.default(defaults.readBatchSize),
  historyBufferSize: count.default(defaults.historyBufferSize),
  consumerStrategyName: z.string().default(defaults.consumerStrategyName),
})
export type Settings = z.infer<typeof settings>

const pcreate = z.strictObject({
  op: z.literal('pcreate'),
  ...target,
  settings: settings.prefault({}),
  filter: filter.optional(),
})
const pupdate = z.strictObject({ op: z.literal('pupdate'), ...target, settings: settings.prefault({}) })
const pdelete = z.strictObject({ op: z.literal('pdelete'), ...target })
const pinfo = z.strictObject({ op: z.literal('pinfo'), ...target })
const plist = z.strictObject({ op: z.literal('plist'), ...target })
const preplay = z.strictObject({ op: z.literal('preplay'), ...target, stopAt: z.number().optional() })
const readParked = z.strictObject({ op: z.literal('readParked'), ...target })

export const groupOperation = z.discriminatedUnion('op', [pcreate, pupdate, pdelete, pinfo, plist, preplay, readParked])

const answer = z.enum(['ack', 'park', 'retry', 'skip', 'none'])
export type Answer = z.infer<typeof answer>

/** `consume` while nothing else is sent. */
export const consumption = z.strictObject({
  op: z.literal('consume'),
  ...target,
  buffer: z.number().default(10),
  actions: z.record(z.string(), z.array(answer)).default({}),
  rest: answer.default('ack'),
  quiet: z.number().default(400),
  [THEN]: z.array(z.never()).default([]),
})
