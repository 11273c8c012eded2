import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Any } from '../../../src/embedded-node/decide.ts'
import type { Message } from '../../../src/embedded-node/persistent/consumer.ts'
import type { GroupSettings } from '../../../src/embedded-node/persistent/settings.ts'
import { Client, Node, quiet } from './node-parts.ts'

const SETTINGS: GroupSettings = {
  startFrom: '0',
  resolveLinkTos: false,
  extraStatistics: true,
  messageTimeout: 1e9,
  maxRetryCount: 2,
  historyBufferSize: 8,
  liveBufferSize: 4,
  readBatchSize: 3,
  maxSubscriberCount: 0,
  checkPointAfter: 1,
  minCheckPointCount: 1,
  maxCheckPointCount: 3,
  consumerStrategy: 'RoundRobin',
  filter: undefined,
}

const STREAMS = ['a', 'b', 'c']
const NAME = { stream: 's', group: 'g' }
const ALL = { stream: '$all', group: 'g' }

const action = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('append' as const), stream: fc.constantFrom(...STREAMS) }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('connect' as const), buffer: fc.integer({ min: 2, max: 5 }) }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constantFrom('ack' as const, 'park' as const, 'retry' as const, 'skip' as const),
      pick: fc.nat(20),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('disconnect' as const), pick: fc.nat(5) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('crash' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('tick' as const) }) },
)

describe('whatever consumers do, and whenever the node dies, no event is lost', () => {
  const strategies = ['RoundRobin', 'DispatchToSingle', 'Pinned', 'PinnedByCorrelation']
  const sources = [
    { name: ALL, filter: undefined },
    { name: ALL, filter: { on: 'stream' as const, prefixes: ['a', 'c'] } },
  ]

  test.each(sources)(
    '$name.stream, filter $filter',
    async ({ name, filter }) => {
      const isOurs = (stream: string): boolean =>
        STREAMS.includes(stream) && (filter?.prefixes ?? STREAMS).includes(stream)
      await fc.assert(
        fc.asyncProperty(
          fc.constantFrom(...strategies),
          fc.array(action, { minLength: 40, maxLength: 80 }),
          async (strategy, actions) => {
            const node = new Node()
            const settings = { ...SETTINGS, consumerStrategy: strategy, filter }
            await node.groups.create(name, settings)
            const finished = new Set<string>()
            const written: string[] = []
            let clients: Client[] = []
            const keyOf = ({ original }: Message): string => `${original.stream}/${original.revision}`
            let finishedInThisLife = new Set<string>()
            const check = (message: Message): void => {
              expect(finishedInThisLife).not.toContain(keyOf(message))
            }
            for (const step of actions) {
              if (step.kind === 'append') {
                await node.append(step.stream)
                if (isOurs(step.stream)) written.push(`${step.stream}/${node.streams.last(step.stream)}`)
              } else if (step.kind === 'connect') {
                clients.push(new Client(node.groups.get(name), step.buffer, check))
              } else if (step.kind === 'crash') {
                node.crash()
                clients = []
                finishedInThisLife = new Set()
              } else if (step.kind === 'tick') {
                node.groups.get(name).tick(performance.now())
              } else if (step.kind === 'disconnect') {
                const [client] = clients.splice(step.pick % Math.max(clients.length, 1), 1)
                client?.group.disconnect(client.consumer)
              } else {
                const client = clients[step.pick % Math.max(clients.length, 1)]
                const [message] = client?.held.splice(step.pick % 3, 1) ?? []
                if (client === undefined || message === undefined) continue
                // Tried too often, it is parked.
                if (step.kind !== 'retry' || message.retryCount >= SETTINGS.maxRetryCount) {
                  finished.add(keyOf(message))
                  finishedInThisLife.add(keyOf(message))
                }
                if (step.kind === 'ack') client.group.acknowledge([message.id])
                else client.group.refuse([message.id], step.kind, '')
              }
              await quiet()
            }
            const group = node.groups.get(name)
            for (const client of clients) group.disconnect(client.consumer)
            const last = new Client(group, 1000, (message) => {
              finished.add(keyOf(message))
              setImmediate(() => group.acknowledge([message.id]))
            })
            for (let turn = 0; turn < 30; turn++) await quiet()
            expect(last.isDropped).toBe(false)
            expect(written.filter((key) => !finished.has(key))).toEqual([])
            expect(group.unfinished.first).toBeUndefined()
          },
        ),
        { numRuns: 25, interruptAfterTimeLimit: 10_000 },
      )
    },
    60_000,
  )
})

describe('a group', () => {
  test('does not write checkpoints of its checkpoints', async () => {
    const node = new Node()
    await node.groups.create(ALL, { ...SETTINGS, maxCheckPointCount: 1 })
    new Client(node.groups.get(ALL), 10, (message) =>
      setImmediate(() => node.groups.get(ALL).acknowledge([message.id])),
    )
    await node.append('a')
    await quiet()
    const { lastPosition } = node.log
    await quiet()
    expect(node.log.lastPosition).toBe(lastPosition)
    expect(node.streams.last('$persistentsubscription-$all::g-checkpoint')).toBeGreaterThan(0)
  })

  test('that starts at the end has what was written since it was created, also when the node died meanwhile', async () => {
    const node = new Node()
    await node.append('s')
    await node.groups.create(NAME, { ...SETTINGS, startFrom: '-1' })
    await node.append('s')
    node.crash()
    const client = new Client(node.groups.get(NAME), 10)
    await quiet()
    expect(client.held.map(({ position }) => position)).toEqual([1])
  })

  test('goes on from its checkpoint when it is updated, and drops its consumers', async () => {
    const node = new Node()
    await node.groups.create(NAME, { ...SETTINGS, maxCheckPointCount: 1 })
    for (let count = 0; count < 4; count++) await node.append('s')
    const client = new Client(node.groups.get(NAME), 10)
    node.groups.get(NAME).acknowledge(client.held.slice(0, 2).map(({ id }) => id))
    await quiet()
    await node.groups.update(NAME, SETTINGS)
    expect(client.isDropped).toBe(true)
    await quiet()
    expect(new Client(node.groups.get(NAME), 10).held.map(({ position }) => position)).toEqual([2, 3])
  })

  test('keeps no checkpoint behind what waits to be parked', async () => {
    const node = new Node()
    await node.groups.create(NAME, { ...SETTINGS, maxCheckPointCount: 1 })
    await node.append('s')
    await node.append('s')
    const group = node.groups.get(NAME)
    const { held } = new Client(group, 10)
    group.refuse([held[0]?.id ?? ''], 'park', 'because')
    group.acknowledge([held[1]?.id ?? ''])
    expect(group.lastCheckpointed).toBeUndefined()
    await quiet()
    expect(group.lastCheckpointed).toBe(1)
    expect(group.parts.storage.parkedCount).toBe(1)
  })

  test('delivers again what nobody answers in time, and parks it in the end', async () => {
    const node = new Node()
    await node.groups.create(NAME, { ...SETTINGS, messageTimeout: 1000, maxRetryCount: 1 })
    await node.append('s')
    const group = node.groups.get(NAME)
    const { held } = new Client(group, 1)
    group.tick(performance.now() + 900)
    expect(held).toHaveLength(1)
    group.tick(performance.now() + 1100)
    expect(held).toMatchObject([{}, { position: 0, retryCount: 1 }])
    group.tick(performance.now() + 1100)
    await quiet()
    expect(held).toHaveLength(2)
    expect(group.parts.storage.parkedCount).toBe(1)
    expect(group.unfinished.first).toBeUndefined()
  })

  test('keeps no checkpoint behind what waits for the consumer that it is pinned to', async () => {
    const node = new Node()
    const pinned = { consumerStrategy: 'Pinned', maxCheckPointCount: 1 }
    await node.groups.create(ALL, { ...SETTINGS, ...pinned, filter: { on: 'stream', prefixes: STREAMS } })
    const group = node.groups.get(ALL)
    const [first, second] = [new Client(group, 1), new Client(group, 1)]
    for (const stream of ['a', 'a', 'b']) await node.append(stream)
    await quiet()
    const [a] = first.held
    const [b] = second.held
    expect([a?.original.stream, b?.original.stream]).toEqual(['a', 'b'])
    group.acknowledge([b?.id ?? ''])
    group.acknowledge([a?.id ?? ''])
    expect(first.held.map(({ original }) => original.revision)).toEqual([0, 1])
    expect(group.lastCheckpointed).toBe(a?.position)
  })

  test('takes one answer for all events with the same id', async () => {
    const node = new Node()
    await node.groups.create({ stream: '$all', group: 'g' }, { ...SETTINGS, filter: { on: 'stream', prefixes: ['x'] } })
    const event = { id: randomUUID(), type: 't', json: true, metadata: Buffer.alloc(0), data: Buffer.from('{}') }
    for (const stream of ['x1', 'x2']) {
      await new Promise((answer) =>
        node.committer.write({ kind: 'append', stream, expected: Any, events: [event], answer }),
      )
    }
    const group = node.groups.get(ALL)
    const client = new Client(group, 2)
    await quiet()
    expect(client.held.map(({ original }) => original.stream)).toEqual(['x1', 'x2'])
    group.acknowledge([event.id])
    expect(group.unfinished.first).toBeUndefined()
    expect(client.consumer.availableSlots).toBe(2)
  })

  test('ignores answers to events that no consumer has', async () => {
    const node = new Node()
    await node.groups.create(NAME, SETTINGS)
    await node.append('s')
    const group = node.groups.get(NAME)
    const { held } = new Client(group, 10)
    for (const kind of ['park', 'retry', 'skip', 'stop'] as const) group.refuse([randomUUID()], kind, '')
    group.acknowledge([randomUUID()])
    await quiet()
    expect(held).toHaveLength(1)
    expect(group.unfinished.deliveredCount).toBe(1)
    expect(group.parts.storage.parkedCount).toBe(0)
  })

  test.each(['deleted', 'updated'])(
    'that was %s takes no answers, for they would write down where it stood',
    async (how) => {
      const node = new Node()
      await node.append('s')
      const settings = { ...SETTINGS, maxCheckPointCount: 1 }
      await node.groups.create(NAME, settings)
      const group = node.groups.get(NAME)
      const client = new Client(group, 5)
      await quiet()
      if (how === 'deleted') await node.groups.delete(NAME)
      else await node.groups.update(NAME, settings)
      group.acknowledge(client.held.map(({ id }) => id))
      await quiet()
      expect(client.held).toHaveLength(1)
      expect(node.streams.isMissing('$persistentsubscription-s::g-checkpoint')).toBe(true)
    },
  )

  test('serves nobody any longer when its stream is tombstoned before it was read', async () => {
    const node = new Node()
    await node.groups.create(NAME, SETTINGS)
    for (let count = 0; count < 20; count++) await node.append('s')
    await new Promise((answer) =>
      node.committer.write({ kind: 'tombstone', stream: 's', expected: Any, events: [], answer }),
    )
    const client = new Client(node.groups.get(NAME), 100)
    expect(client.isDropped).toBe(false)
    client.acknowledge(1)
    await quiet()
    expect(client.isDropped).toBe(true)
    expect(new Client(node.groups.get(NAME), 100).isDropped).toBe(true)
  })

  test('ends its work at an event that its filter takes too long for, and writers do not notice', async () => {
    const node = new Node()
    const filter = { on: 'type', regex: '[ab]*a[ab]{900}[xy0]' } as const
    await node.groups.create(ALL, { ...SETTINGS, startFrom: 'C:0/P:0', filter })
    await quiet()
    const client = new Client(node.groups.get(ALL), 100)
    await node.append('s', 'a'.repeat(8_000))
    await quiet()
    expect(client.isDropped).toBe(true)
    expect(new Client(node.groups.get(ALL), 100).isDropped).toBe(true)
    await node.append('s')
  })

  test('waits for a stream that is not there, and leaves out what its metadata hides', async () => {
    const node = new Node()
    await node.groups.create(NAME, SETTINGS)
    const group = node.groups.get(NAME)
    await quiet()
    expect(group.status).toBe('Live')
    for (let count = 0; count < 30; count++) await node.append('s')
    const metadata = { type: '$metadata', json: true, metadata: Buffer.alloc(0), data: Buffer.from('{"$tb":25}') }
    const events = [{ id: randomUUID(), ...metadata }]
    await new Promise((answer) =>
      node.committer.write({ kind: 'append', stream: '$$s', expected: Any, events, answer }),
    )
    await quiet()
    const client = new Client(group, 100)
    client.acknowledge(1)
    await quiet()
    expect(client.held.map(({ position }) => position)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 25, 26, 27, 28, 29])
  })
})
