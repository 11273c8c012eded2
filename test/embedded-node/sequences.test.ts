import { EventStoreDBClient } from '@eventstore/db-client'
import fc from 'fast-check'
import { expect, onTestFinished, test } from 'vitest'
import { THEN } from '../recordings/group-operations.ts'
import { recording } from '../recordings/operations.ts'
import { comparable, replay } from '../recordings/replay.ts'
import { startNode } from '../support/embedded-node.ts'
import { eventually } from '../support/eventually.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { predict } from './model.ts'

// SEQUENCES=1000 tries so many instead of a few; SEED=… makes it others; SHRINK=1 looks for the shortest that fails.
const SEQUENCES = Number(process.env['SEQUENCES'] ?? 15)
const SEED = Number(process.env['SEED'] ?? 23_10_6)
const SHRINK = process.env['SHRINK'] !== undefined

/** A node with a client that finds it again after a restart. */
async function restartableNode() {
  const dataDir = temporaryFolder()
  let node = await startNode({ dataDir, port: 0 })
  const { port } = node
  const client = EventStoreDBClient.connectionString(`esdb://${node.address}?tls=false`)
  // Disposing of the client would wait for calls that the restarts have ended.
  onTestFinished(() => node.close())
  const answers = async (): Promise<boolean> => {
    try {
      await client.appendToStream('answers', [])
      return true
    } catch {
      return false
    }
  }
  const restart = async (): Promise<void> => {
    await node.close()
    node = await startNode({ dataDir, port })
    await eventually(answers, 'the node answers again')
  }
  return { client, restart }
}

const few = fc.integer({ min: 0, max: 6 })
const stream = fc.constantFrom('x', 'y', 'z')
const anyStream = fc.oneof({ weight: 5, arbitrary: stream }, { weight: 1, arbitrary: fc.constantFrom('$$x', '$$y') })
const id = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i')
const expectation = fc.oneof(fc.constantFrom('any' as const, 'no_stream' as const, 'exists' as const), few)
const expectationOfDelete = fc.oneof(fc.constantFrom('any' as const, 'any' as const, 'no_stream' as const), few)

const plain = fc.record({ id, type: fc.constantFrom('t', 'u', '$sys') })
const event = fc.oneof(
  { weight: 6, arbitrary: plain },
  { weight: 1, arbitrary: fc.record({ id, type: fc.constant('t'), meta: fc.constant({ by: 'me' }) }) },
  { weight: 1, arbitrary: fc.record({ id, type: fc.constant('t'), binary: fc.constantFrom('', 'AAEC/w==') }) },
  { weight: 1, arbitrary: fc.record({ id, type: fc.constant('$>'), link: fc.tuple(few, anyStream) }) },
  {
    weight: 1,
    arbitrary: fc.record({ id, type: fc.constant('$>'), raw: fc.constantFrom('junk', '3', '@', '1@nowhere') }),
  },
)

const limit = fc.constantFrom(1, 2, 3, 0, -1, 8, 1.5, 'x', 2 ** 63, 1e300, null)
const document = fc.oneof(
  { weight: 3, arbitrary: fc.record({ maxCount: few }) },
  { weight: 3, arbitrary: fc.record({ truncateBefore: few }) },
  { weight: 1, arbitrary: fc.record({ custom: fc.constantFrom('c', 7), truncateBefore: few, maxCount: few }) },
  { weight: 1, arbitrary: fc.record({ $maxAge: fc.constantFrom(100_000, 0, -5, 1e12, 1.5, '1') }) },
  { weight: 1, arbitrary: fc.record({ $maxCount: limit, $tb: fc.constantFrom(0, 2, -3) }) },
  { weight: 1, arbitrary: fc.record({ $tb: limit, $acl: fc.constantFrom(5, { $r: '$all' }, { $w: ['a', 'b'] }) }) },
  { weight: 1, arbitrary: fc.record({ $maxCount: few, $tmp: fc.constantFrom(true, 'yes') }) },
)

const append = fc.record({
  op: fc.constant('append' as const),
  stream,
  events: fc.oneof(
    { weight: 9, arbitrary: fc.array(event, { minLength: 1, maxLength: 4 }) },
    { weight: 1, arbitrary: fc.constant([]) },
  ),
  expect: expectation,
  classic: fc.boolean(),
  mark: fc.constantFrom('m', undefined),
})
/** What is written to a metastream as if it were any other. */
const appendToMetastream = fc.record({
  op: fc.constant('append' as const),
  stream: fc.constantFrom('$$x', '$$y'),
  events: fc.array(
    fc.oneof(
      fc.record({ id, type: fc.constantFrom('$metadata', 't'), data: document }),
      fc.record({ id, type: fc.constant('$metadata'), binary: fc.constantFrom('', 'AAEC/w==') }),
      fc.record({ id, type: fc.constant('$metadata'), data: fc.constantFrom('text', ['list']) }),
    ),
    { minLength: 1, maxLength: 2 },
  ),
  expect: fc.constantFrom('any' as const, 'exists' as const, 0, 1),
  classic: fc.boolean(),
})
const setMeta = fc.record({ op: fc.constant('setMeta' as const), stream, meta: document, expect: expectation })
const remove = fc.record({ op: fc.constant('delete' as const), stream, expect: expectationOfDelete })
const tombstone = fc.record({ op: fc.constant('tombstone' as const), stream, expect: expectationOfDelete })
const read = fc.record({
  op: fc.constant('read' as const),
  stream: anyStream,
  from: fc.oneof(fc.constantFrom('start' as const, 'end' as const), few),
  backwards: fc.boolean(),
  max: fc.constantFrom(1, 2, 1000),
  links: fc.boolean(),
})
const readWhole = fc.record({ op: fc.constant('read' as const), stream: anyStream, links: fc.boolean() }).map((op) => ({
  ...op,
  from: 'start' as const,
  backwards: false,
  max: 1000,
}))
const fromAll = fc.constantFrom('start' as const, 'end' as const, { after: 'm' })
const readAll = fc.record({
  op: fc.constant('readAll' as const),
  from: fromAll,
  backwards: fc.boolean(),
  max: fc.constant(100_000),
  take: fc.constantFrom(1, 3, 1000),
})
const filter = fc.constantFrom(
  { types: ['t', '$m'] },
  { types: [] },
  { typeRegex: '^[tu]$' },
  { streams: ['x', '$$'] },
  { streamRegex: '{prefix}-[xy]$' },
  { system: true },
)
const subscription = fc
  .tuple(fc.boolean(), stream, fc.oneof(fc.constantFrom('start' as const, 'end' as const), few), filter, fc.boolean())
  .chain(([ofAll, name, from, through, links]) =>
    fc.record({
      op: fc.constant('subscribe' as const),
      stream: fc.constant(ofAll ? '$all' : name),
      from: ofAll ? fc.constant({ after: 'm' }) : fc.constant(from),
      links: fc.constant(links),
      ...(ofAll ? { filter: fc.constant(through) } : {}),
      [THEN]: fc.array(fc.oneof(append, append, append, remove, setMeta), { maxLength: 4 }),
      quiet: fc.constant(0),
    }),
  )

const operation = fc.oneof(
  { weight: 12, arbitrary: append },
  { weight: 2, arbitrary: appendToMetastream },
  { weight: 3, arbitrary: setMeta },
  { weight: 3, arbitrary: remove },
  { weight: 6, arbitrary: readWhole },
  { weight: 4, arbitrary: read },
  { weight: 2, arbitrary: readAll },
)
const sequence = fc
  .record({
    before: fc.array(operation, { minLength: 10, maxLength: 40 }),
    subscribed: fc.array(subscription, { maxLength: 1 }),
    after: fc.array(operation, { maxLength: 20 }),
    ended: fc.array(fc.oneof(tombstone, operation, readWhole), { maxLength: 8 }),
    restarts: fc.array(fc.nat(60), { maxLength: 1 }),
  })
  .map(({ before, subscribed, after, ended, restarts }) => ({
    operations: [MARKED, ...before, ...subscribed, ...after, ...ended],
    restarts,
  }))

/** So that there is a mark whatever else happens. */
const MARKED = {
  op: 'append',
  stream: 'w',
  events: [{ id: 'w', type: 't' }],
  expect: 'any',
  classic: false,
  mark: 'm',
} as const

test(
  'the node does what the description foretells, whatever is done to it in whatever order',
  async () => {
    const { client, restart } = await restartableNode()
    const property = fc.asyncProperty(sequence, async ({ operations, restarts }) => {
      const steps = operations.map((op) => ({ op, outcome: null }))
      const [asked] = recording.parse({ server: '', client: '', scenarios: [{ name: '', steps }] }).scenarios
      if (asked === undefined) throw new Error('There is no scenario')
      const foretold = predict(asked)
      const scenario = { ...asked, steps: asked.steps.map(({ op }, at) => ({ op, outcome: foretold[at] ?? null })) }
      const before = async (step: number): Promise<void> => {
        if (restarts.includes(step)) await restart()
      }
      const outcomes = await replay(client, scenario, { before })
      for (const [step, { op, outcome }] of scenario.steps.entries()) {
        expect({ step, op, outcome: comparable(outcomes[step] ?? null) }).toEqual({
          step,
          op,
          outcome: comparable(outcome),
        })
      }
    })
    await fc.assert(property, { numRuns: SEQUENCES, seed: SEED, endOnFailure: !SHRINK })
  },
  60_000 + SEQUENCES * 2_000,
)
