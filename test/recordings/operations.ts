import { z } from 'zod'
import { consumption, filter, groupOperation, THEN } from './group-operations.ts'

/** What a recording holds, as its README describes it. */
const expectation = z.union([z.enum(['any', 'no_stream', 'exists']), z.number()]).default('any')

const proposedEvent = z.strictObject({
  id: z.string(),
  type: z.string().default('t'),
  data: z.union([z.string(), z.array(z.json()), z.record(z.string(), z.json())]).nullish(),
  meta: z.record(z.string(), z.json()).optional(),
  binary: z.string().optional(),
  chars: z.number().optional(),
  link: z.tuple([z.number(), z.string()]).optional(),
  raw: z.string().optional(),
})

const allStart = z.union([z.enum(['start', 'end']), z.strictObject({ after: z.string() })])
const streamStart = z.union([z.enum(['start', 'end']), z.number()])
const metadata = z.record(z.string(), z.json())

const append = z.strictObject({
  op: z.literal('append'),
  stream: z.string(),
  events: z.array(proposedEvent),
  expect: expectation,
  classic: z.boolean().default(false),
  mark: z.string().optional(),
})
const setMeta = z.strictObject({ op: z.literal('setMeta'), stream: z.string(), meta: metadata, expect: expectation })
const remove = z.strictObject({ op: z.enum(['delete', 'tombstone']), stream: z.string(), expect: expectation })
const read = z.strictObject({
  op: z.literal('read'),
  stream: z.string(),
  from: streamStart.default('start'),
  backwards: z.boolean().default(false),
  max: z.number().default(1000),
  links: z.boolean().default(false),
})
const readAll = z.strictObject({
  op: z.literal('readAll'),
  from: allStart.default('start'),
  backwards: z.boolean().default(false),
  max: z.number().default(100_000),
  take: z.number().default(1000),
})
const sleep = z.strictObject({ op: z.literal('sleep'), ms: z.number() })
const simple = z.discriminatedUnion('op', [append, setMeta, remove, read, readAll, sleep])

const subscribe = z.strictObject({
  op: z.literal('subscribe'),
  stream: z.string().default('$all'),
  from: z.union([allStart, streamStart]).default('start'),
  links: z.boolean().default(false),
  filter: filter.optional(),
  [THEN]: z.array(simple).default([]),
  quiet: z.number().default(400),
})

const inConsumption = z.discriminatedUnion('op', [...simple.options, ...groupOperation.options, consumption])
const consume = consumption.extend({ [THEN]: z.array(inConsumption).default([]) })

const operation = z.discriminatedUnion('op', [...simple.options, subscribe, ...groupOperation.options, consume])
const step = z.strictObject({ op: operation, outcome: z.json() })
const scenario = z.strictObject({ name: z.string(), steps: z.array(step) })

export const recording = z.strictObject({ server: z.string(), client: z.string(), scenarios: z.array(scenario) })

export type Operation = z.infer<typeof operation>
export type Append = z.infer<typeof append>
export type ProposedEvent = z.infer<typeof proposedEvent>
export type Read = z.infer<typeof read>
export type ReadAll = z.infer<typeof readAll>
export type Subscribe = z.infer<typeof subscribe>
export type GroupOperation = z.infer<typeof groupOperation> | z.infer<typeof consume>
export type Scenario = z.infer<typeof scenario>
export type Json = z.infer<ReturnType<typeof z.json>>

const GROUP_OPERATIONS = new Set<string>([
  'pcreate',
  'pupdate',
  'pdelete',
  'pinfo',
  'plist',
  'preplay',
  'readParked',
  'consume',
])

export const isGroupOperation = (op: Operation): op is Extract<Operation, GroupOperation> => GROUP_OPERATIONS.has(op.op)
