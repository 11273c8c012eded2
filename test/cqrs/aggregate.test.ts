import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { aggregate, applyAll, InvalidAggregateId, idOf, streamOf, streamPrefix } from '../../src/cqrs/aggregate.ts'
import { initialVersion, type Precondition, PreconditionFailed, verify } from '../../src/cqrs/precondition.ts'
import { alwaysSnapshot, everyEvents, fingerprintOf, neverSnapshot } from '../../src/cqrs/snapshot.ts'
import { todo } from './todo.ts'

describe('an aggregate', () => {
  it('folds events to a state', () => {
    const events = [
      { type: 'created', data: { text: 'milk' } },
      { type: 'completed', data: {} },
    ] as const
    expect(applyAll(todo, todo.initial, events)).toEqual({
      created: true,
      text: 'milk',
      due: undefined,
      completed: true,
    })
  })

  it('has a stream for each id', () => {
    const stream = streamOf(todo, todo.id('a-b'))
    expect(stream).toBe('kit_todo-a-b')
    expect(idOf(todo, stream)).toBe('a-b')
    expect(stream.startsWith(streamPrefix(todo))).toBe(true)
  })

  it.each(['', 'a\nb', 'a\u0000', 'x'.repeat(1_001)])('does not take %j for an id', (value) => {
    expect(() => todo.id(value)).toThrow(InvalidAggregateId)
  })

  it.each(['kit_todo-', 'other-1', 'kit_todo'])('does not take %j for one of its streams', (stream) => {
    expect(() => idOf(todo, stream)).toThrow(InvalidAggregateId)
  })

  it.each(['', 'a-b', '$all', 'snapshot', 'a b'])('cannot be of the type %j', (type) => {
    expect(() => counterWith({ type })).toThrow(`"${type}" is no aggregate type`)
  })
})

describe('a precondition', () => {
  const cases: [Precondition | undefined, number, boolean][] = [
    [undefined, 0, true],
    [undefined, 3, true],
    ['new', initialVersion, true],
    ['new', 3, false],
    ['exists', 3, true],
    ['exists', initialVersion, false],
    [{ version: 3 }, 3, true],
    [{ version: 3 }, 2, false],
    [{ version: initialVersion }, initialVersion, true],
    [{ version: initialVersion }, 1, false],
  ]
  it.each(cases)('%j at version %j: %j', (precondition, version, holds) => {
    const check = () => verify(precondition, 'stream-1', version)
    if (holds) expect(check).not.toThrow()
    else {
      const facts = { stream: 'stream-1', expected: precondition, actual: version }
      expect(check).toThrow(expect.objectContaining(facts))
      expect(check).toThrow(PreconditionFailed)
    }
  })
})

describe('a snapshot strategy', () => {
  it('recommends a snapshot always, never, or after so many events', () => {
    expect([alwaysSnapshot(1, 0), neverSnapshot(100, 0)]).toEqual(['should snapshot', 'do not snapshot'])
    const strategy = everyEvents(10)
    expect([strategy(9, 0), strategy(10, 0), strategy(19, 10), strategy(23, 10)]).toEqual([
      'do not snapshot',
      'should snapshot',
      'do not snapshot',
      'should snapshot',
    ])
  })

  it.each([0, -1, 1.5, Number.NaN])('cannot be every %j events', (count) => {
    expect(() => everyEvents(count)).toThrow(RangeError)
  })
})

describe('the fingerprint of an aggregate', () => {
  const today = fingerprintOf(counterWith({}))

  it('is the same for the same shape', () => {
    expect(fingerprintOf(counterWith({}))).toBe(today)
  })

  it.each([
    ['its type', { type: 'tally' }],
    ['its initial state', { initial: { total: 1n } }],
    ['its snapshot version', { snapshotVersion: 2 }],
    ['its events', { events: { added: z.object({ by: z.bigint() }), reset: z.object({}) } }],
    [
      'the version of an event',
      { events: { added: { schema: z.object({ by: z.bigint() }), upcasters: [(x: unknown) => x] } } },
    ],
    ['the schema of an event', { events: { added: z.object({ by: z.bigint(), why: z.string() }) } }],
  ] as const)('changes with %s', (_, changes) => {
    expect(fingerprintOf(counterWith(changes))).not.toBe(today)
  })
})

function counterWith(changes: object) {
  const definition = {
    type: 'counter',
    initial: { total: 0n },
    events: { added: z.object({ by: z.bigint() }) },
    apply: (state: { readonly total: bigint }) => state,
    ...changes,
  }
  return aggregate(definition)
}
