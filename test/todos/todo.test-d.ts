import { describe, expectTypeOf, it } from 'vitest'
import type { CommandOf } from '../../src/cqrs/command.ts'
import {
  type AlreadyCreated,
  create,
  type InvalidDescription,
  type NotInitialised,
  type ReminderNotInFuture,
  setReminder,
  type Todo,
  type TodoEvent,
  type TodoRefusal,
  type todo,
  type toggle,
  type updateDescription,
} from '../../src/todos/todo.ts'

type RefusalOf<Command extends (state: Todo) => unknown> = Extract<
  ReturnType<Command>,
  { readonly refusal: unknown }
>['refusal']

describe('the events of a to-do', () => {
  it('narrow by their type', () => {
    expectTypeOf<TodoEvent['type']>().toEqualTypeOf<
      'todo_created' | 'todo_description_updated' | 'todo_reminder_updated' | 'todo_completed' | 'todo_uncompleted'
    >()
    expectTypeOf<Extract<TodoEvent, { type: 'todo_reminder_updated' }>['data']>().toEqualTypeOf<
      Readonly<{ reminder: string | null }>
    >()
  })
})

describe('a command of a to-do', () => {
  it('says what it may be refused with', () => {
    type Create = RefusalOf<ReturnType<typeof create>>
    expectTypeOf<Create>().toEqualTypeOf<AlreadyCreated | InvalidDescription | ReminderNotInFuture>()
    type Describe = RefusalOf<ReturnType<typeof updateDescription>>
    expectTypeOf<Describe>().toEqualTypeOf<InvalidDescription | NotInitialised>()
    expectTypeOf<RefusalOf<ReturnType<typeof toggle>>>().toEqualTypeOf<NotInitialised>()
  })

  it('gives events of to-dos and known refusals only', () => {
    expectTypeOf(setReminder).returns.toExtend<CommandOf<typeof todo, TodoRefusal>>()
    expectTypeOf(create).returns.toExtend<CommandOf<typeof todo, TodoRefusal>>()
    expectTypeOf(create).returns.not.toExtend<CommandOf<typeof todo, NotInitialised>>()
    expectTypeOf<() => { type: 'todo_forgotten'; data: object }[]>().not.toExtend<CommandOf<typeof todo>>()
  })
})
