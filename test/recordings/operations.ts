import { z } from 'zod'

/** The recordings' word for what follows; an object literal with it would look like a promise. */
export const THEN = 'then'

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

const filter = z.strictObject({
  types: z.array(z.string()).optional(),
  typeRegex: z.string().optional(),
  streams: z.array(z.string()).optional(),
  streamRegex: z.string().optional(),
  system: z.boolean().optional(),
})
const subscribe = z.strictObject({
  op: z.literal('subscribe'),
  stream: z.string().default('$all'),
  from: z.union([allStart, streamStart]).default('start'),
  links: z.boolean().default(false),
  filter: filter.optional(),
  [THEN]: z.array(simple).default([]),
  quiet: z.number().default(400),
})

const operation = z.discriminatedUnion('op', [...simple.options, subscribe])
const step = z.strictObject({ op: operation, outcome: z.json() })
const scenario = z.strictObject({ name: z.string(), steps: z.array(step) })

export const recording = z.strictObject({ server: z.string(), client: z.string(), scenarios: z.array(scenario) })

export type Operation = z.infer<typeof operation>
export type Append = z.infer<typeof append>
export type ProposedEvent = z.infer<typeof proposedEvent>
export type Read = z.infer<typeof read>
export type ReadAll = z.infer<typeof readAll>
export type Subscribe = z.infer<typeof subscribe>
export type Filter = z.infer<typeof filter>
export type Scenario = z.infer<typeof scenario>
export type Json = z.infer<ReturnType<typeof z.json>>
