import { AssertionError } from 'node:assert'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { aggregate } from '../../src/cqrs/aggregate.ts'
import {
  arbitraryAggregate,
  arbitraryEvent,
  arbitraryEvents,
  arbitraryHistory,
} from '../../src/cqrs/testing/arbitraries.ts'
import { given } from '../../src/cqrs/testing/given.ts'
import { replayLaw, roundTripLaw } from '../../src/cqrs/testing/laws.ts'
import { AlreadyCreated, complete, create, NotInitialised, todo } from './todo.ts'

const created = { type: 'created', data: { text: 'milk' } } as const
const due = fc.record(
  { text: fc.string({ minLength: 1 }), due: fc.date({ noInvalidDate: true }) },
  { requiredKeys: ['text'] },
)

describe('a specification', () => {
  it('holds where the command gives the events or the refusal', () => {
    given(todo, []).when(create('milk')).then([created])
    given(todo, [created])
      .when(create('milk'))
      .then({ refusal: new AlreadyCreated('milk') })
    given(todo, [created])
      .when(complete())
      .then([{ type: 'completed', data: {} }])
    given(todo, [created, { type: 'completed', data: {} }])
      .when(complete())
      .then([])
    given(todo, []).when(complete()).then({ refusal: new NotInitialised() })
  })

  it.each([
    [
      'other events',
      () =>
        given(todo, [])
          .when(create('milk'))
          .then([{ type: 'created', data: { text: 'tea' } }]),
    ],
    ['no events', () => given(todo, []).when(create('milk')).then([])],
    ['events', () => given(todo, [created]).when(create('milk')).then([created])],
    [
      'a refusal',
      () =>
        given(todo, [])
          .when(create('milk'))
          .then({ refusal: new AlreadyCreated('milk') }),
    ],
    [
      'another refusal',
      () =>
        given(todo, [created])
          .when(create('tea'))
          .then({ refusal: new AlreadyCreated('tea') }),
    ],
  ])('fails where it expects %s and the command decides otherwise', (_, specification) => {
    expect(specification).toThrow(AssertionError)
  })

  it('fails where it is awaited by mistake', async () => {
    const specification: unknown = given(todo, []).when(create('milk'))
    await expect(Promise.resolve(specification)).rejects.toThrow(AssertionError)
  })
})

describe('arbitraries', () => {
  it('make events of every type from the schemas', () => {
    const everything = aggregate({
      type: 'everything',
      initial: { count: 0 },
      events: {
        plain: z.object({
          text: z.string().min(2).max(5),
          id: z.ulid(),
          uuid: z.uuid(),
          email: z.email(),
          at: z.iso.datetime(),
          count: z.int().min(3).max(9),
          rate: z.number().min(0).max(1),
          flag: z.boolean().nullable(),
          kind: z.enum(['a', 'b']),
          exactly: z.literal('x'),
          list: z.array(z.object({ n: z.int() })).max(3),
          pair: z.tuple([z.string(), z.number()]),
          map: z.record(z.string(), z.int()),
          either: z.union([z.object({ left: z.string() }), z.object({ right: z.int() })]),
          maybe: z.string().optional(),
        }),
        even: z.object({ n: z.int().refine((n) => n % 2 === 0) }),
        empty: z.object({}),
      },
      apply: ({ count }: { readonly count: number }) => ({ count: count + 1 }),
    })
    const events = arbitraryEvent(everything)
    expect(new Set(fc.sample(events, 100).map(({ type }) => type))).toEqual(new Set(['plain', 'even', 'empty']))
    roundTripLaw(everything, events)
  })

  it('take those that are given, where a schema cannot tell', () => {
    expect(() => arbitraryEvent(todo)).toThrow('no arbitrary can be made for created/due')
    const events = fc.sample(arbitraryEvent(todo, { created: due }), 100)
    expect(events.some((event) => event.type === 'created' && event.data.due instanceof Date)).toBe(true)
  })

  it('name an event that there is none of', () => {
    expect(() => arbitraryEvent(todo, { deleted: due })).toThrow('no event deleted, only created, completed, reopened')
  })

  it('make aggregates from events', () => {
    const states = fc.sample(arbitraryAggregate(todo, arbitraryEvents(todo, { created: due })), 100)
    expect(states.some((state) => state.created && state.completed)).toBe(true)
  })

  it('make histories from commands, in which nothing happens twice', () => {
    const command = fc.oneof(fc.string({ minLength: 1 }).map(create), fc.constant(complete()))
    const history = arbitraryHistory(todo, command)
    expect(fc.sample(history, 50).some(({ events }) => events.length === 2)).toBe(true)
    fc.assert(
      fc.property(history, ({ events }) => {
        const types = events.map(({ type }) => type)
        expect(types).toEqual(['created', 'completed'].slice(0, types.length))
      }),
    )
  })
})

describe('the laws', () => {
  it('hold for a module that keeps them', async () => {
    const events = arbitraryEvents(todo, { created: due })
    roundTripLaw(todo, arbitraryEvent(todo, { created: due }))
    await replayLaw(todo, events)
  })

  it('show a schema that does not give back what it was given', () => {
    const lossy = aggregate({
      type: 'lossy',
      initial: {},
      events: { said: z.object({ text: z.string().transform((text) => `${text}!`) }) },
      apply: (state: object) => state,
    })
    expect(() => roundTripLaw(lossy, arbitraryEvent(lossy, { said: fc.record({ text: fc.string() }) }))).toThrow(
      /Property failed/,
    )
  })

  it('show a state that a snapshot does not keep', async () => {
    const events = { put: z.object({ key: z.string() }) }
    const mapped = aggregate({
      ...{ type: 'mapped', events, initial: { keys: new Set<string>() } },
      apply: (state: { readonly keys: ReadonlySet<string> }, { data }) => ({
        keys: new Set([...state.keys, data.key]),
      }),
    })
    const unsure = aggregate({
      ...{ type: 'unsure', events, initial: { n: 0 } },
      apply: (state: { readonly n: number; readonly last?: string | undefined }) =>
        'last' in state ? { n: state.n + 1, last: undefined } : { n: 0, last: undefined },
    })
    await expect(replayLaw(mapped, arbitraryEvents(mapped))).rejects.toThrow(/Property failed/)
    await expect(replayLaw(unsure, arbitraryEvents(unsure))).rejects.toThrow(/Property failed/)
  })
})
