import { describe, expectTypeOf, it } from 'vitest'
import { z } from 'zod'
import {
  type AggregateId,
  aggregate,
  type EventOf,
  type IdOf,
  type StateOf,
  streamOf,
} from '../../src/cqrs/aggregate.ts'
import type { CommandOf } from '../../src/cqrs/command.ts'
import type { Entity, Persisted } from '../../src/cqrs/entity.ts'
import { entityStore } from '../../src/cqrs/entity-store.ts'
import type { VersionedEventWithMetadata } from '../../src/cqrs/event.ts'
import { nullEventStore } from '../../src/cqrs/null.ts'
import { given } from '../../src/cqrs/testing/given.ts'
import { type AlreadyCreated, complete, create, NotInitialised, type Todo, todo } from './todo.ts'

type TodoEvent = EventOf<typeof todo>
type TodoId = IdOf<typeof todo>

const other = aggregate({
  type: 'other',
  initial: { count: 0 },
  events: { counted: z.object({ by: z.number() }) },
  apply: (state, { data }) => ({ count: state.count + data.by }),
})

describe('an aggregate', () => {
  it('infers its state, its events and its ids', () => {
    expectTypeOf<StateOf<typeof todo>>().toEqualTypeOf<Todo>()
    expectTypeOf<TodoEvent['type']>().toEqualTypeOf<'created' | 'completed' | 'reopened'>()
    expectTypeOf<Extract<TodoEvent, { type: 'created' }>['data']>().toEqualTypeOf<
      Readonly<{ text: string; due?: Date | undefined }>
    >()
    expectTypeOf<TodoId>().toEqualTypeOf<AggregateId<'kit_todo'>>()
  })

  it('infers the state from its initial value where apply does not declare it', () => {
    expectTypeOf<StateOf<typeof other>>().toEqualTypeOf<{ count: number }>()
  })

  it('does not compile where apply misses a case', () => {
    const events = { opened: z.object({}), closed: z.object({}) }
    aggregate({
      ...{ type: 'door', initial: { open: false }, events },
      // @ts-expect-error closed is missing
      apply: (state: { open: boolean }, event) => {
        switch (event.type) {
          case 'opened':
            return { ...state, open: true }
        }
      },
    })
    // @ts-expect-error there is no such event
    aggregate({ type: 'door', initial: {}, events, apply: (state: object, { type }) => (type === 'x' ? {} : state) })
  })

  it('does not compile where apply or the initial state give another state', () => {
    const events = { opened: z.object({}) }
    // @ts-expect-error open is a boolean
    aggregate({ type: 'door', initial: { open: false }, events, apply: (_: { open: boolean }) => ({ open: 'yes' }) })
    // @ts-expect-error open is a boolean
    aggregate({ type: 'door', initial: { open: 1 }, events, apply: (state: { open: boolean }) => state })
  })

  it('does not compile with the id of another one', () => {
    streamOf(todo, todo.id('1'))
    // @ts-expect-error an id of another aggregate
    streamOf(todo, other.id('1'))
    // @ts-expect-error a string that was not checked
    streamOf(todo, '1')
  })
})

describe('a command', () => {
  it('does not compile where it produces a wrong event', () => {
    // @ts-expect-error there is no such event
    const wrongType: CommandOf<typeof todo> = () => [{ type: 'deleted', data: {} }]
    // @ts-expect-error text is missing
    const wrongData: CommandOf<typeof todo> = () => [{ type: 'created', data: {} }]
    // @ts-expect-error text is a string
    const wrongMember: CommandOf<typeof todo> = () => [{ type: 'created', data: { text: 1 } }]
    return [wrongType, wrongData, wrongMember]
  })

  it('does not compile where it gives a refusal that it does not declare', () => {
    // @ts-expect-error it declares none
    const undeclared: CommandOf<typeof todo> = () => ({ refusal: new NotInitialised() })
    // @ts-expect-error it declares another
    const another: CommandOf<typeof todo, AlreadyCreated> = () => ({ refusal: new NotInitialised() })
    return [undeclared, another]
  })
})

describe('an entity store', () => {
  const store = entityStore(todo, { events: nullEventStore })
  const id = todo.id('1')

  it('tells what a command may give', () => {
    type Done = Persisted<'kit_todo', Todo, TodoEvent>
    const created = store.loadOrDefaultExecAndPersist(id, create('milk'))
    expectTypeOf(created).resolves.toEqualTypeOf<Done | { readonly refusal: AlreadyCreated }>()
    const completed = store.loadExecAndPersist(id, complete())
    expectTypeOf(completed).resolves.toEqualTypeOf<Done | { readonly refusal: NotInitialised } | undefined>()
    const neverRefused: CommandOf<typeof todo> = () => []
    expectTypeOf(store.loadOrDefaultExecAndPersist(id, neverRefused)).resolves.toEqualTypeOf<Done>()
    expectTypeOf(store.rehydrate(id)).resolves.toEqualTypeOf<Entity<'kit_todo', Todo> | undefined>()
  })

  it('takes a command that is written in place', () => {
    const result = store.loadOrDefaultExecAndPersist(id, (state) =>
      state.created ? [{ type: 'reopened', data: { reason: 'why not' } }] : { refusal: 'missing' as const },
    )
    expectTypeOf(result).resolves.toEqualTypeOf<Persisted<'kit_todo', Todo, TodoEvent> | { refusal: 'missing' }>()
    // @ts-expect-error there is no such event
    store.loadOrDefaultExecAndPersist(id, () => [{ type: 'deleted', data: {} }])
  })

  it('narrows the events that it reads', async () => {
    for await (const versioned of store.readEventsBackwards(id)) {
      expectTypeOf(versioned).toEqualTypeOf<VersionedEventWithMetadata<TodoEvent>>()
      if (versioned.event.type === 'created') expectTypeOf(versioned.event.data.text).toBeString()
    }
  })

  it('does not compile with the id or the command of another aggregate', () => {
    // @ts-expect-error an id of another aggregate
    store.rehydrate(other.id('1'))
    const count: CommandOf<typeof other> = () => [{ type: 'counted', data: { by: 1 } }]
    // @ts-expect-error a command of another aggregate
    store.loadExecAndPersist(id, count)
    // @ts-expect-error not a precondition
    store.loadExecAndPersist(id, complete(), { precondition: 'old' })
  })

  it('makes the caller look at a refusal before the result', async () => {
    const result = await store.loadOrDefaultExecAndPersist(id, create('milk'))
    // @ts-expect-error it may have been refused
    return result.entity
  })
})

describe('a specification', () => {
  it('does not compile with events or refusals that the command cannot give', () => {
    const refused = given(todo, []).when(complete())
    // @ts-expect-error there is no such event
    refused.then([{ type: 'deleted', data: {} }])
    // @ts-expect-error the command does not give this refusal
    refused.then({ refusal: 'no' })
    // @ts-expect-error text is missing
    given(todo, [{ type: 'created', data: {} }])
  })
})
