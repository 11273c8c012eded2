import { decodeCursor, eventNumber, mostItems, pageSize, todoId } from './arguments.ts'
import { builder, commandCost, readCost, TodoConnectionObject, TodoObject } from './graphql-types.ts'
import { cancelReminder, markCompleted, reset, setReminder, toggle, updateDescription } from './todo.ts'

builder.queryType({
  fields: (t) => ({
    apiVersion: t.string({ resolve: () => '1.0' }),
    allTodos: t.field({
      type: TodoConnectionObject,
      description: 'From the read model: newest first. With a Consistency-Token, at least as new as that.',
      args: {
        first: t.arg.int({ description: 'From 1 to 200; 50 by default.' }),
        after: t.arg.string({ description: 'Cursor of the to-do after which the page begins.' }),
      },
      complexity: ({ first }) => ({ field: 1, multiplier: mostItems(first) }),
      resolve: (_, { first, after }, { todos }) => todos.list(pageSize('first', first), decodeCursor('after', after)),
    }),
    todo: t.field({
      type: TodoObject,
      nullable: true,
      description: 'From the event store: as it is now. Null where there is no to-do with this id.',
      args: { id: t.arg.id({ required: true }) },
      complexity: { field: readCost },
      resolve: (_, { id }, { todos }) => todos.find(todoId(id)),
    }),
  }),
})

/** Only the id of the to-do: its fields are the commands. */
const TodoCommands = builder.objectRef<{ readonly id: ReturnType<typeof todoId> }>('TodoCommands').implement({
  description:
    'Each field is a command, and shows the to-do as it is after it. Several run one after the other, in the order ' +
    'written; one that is refused does not keep the next from running.',
  fields: (t) => {
    const expectedVersion = t.arg.int({
      description: 'The command runs only if the to-do is at this version. On whatever version it is, where null.',
    })
    const text = t.arg.string({ required: true })
    const time = t.arg({ type: 'DateTime', required: true, description: 'In the future.' })
    const shared = { type: TodoObject, nullable: true, complexity: { field: commandCost } } as const
    return {
      setDescription: t.field({
        ...shared,
        args: { text, expectedVersion },
        resolve: ({ id }, { text, expectedVersion }, { todos }) =>
          todos.change(id, updateDescription(text), version(expectedVersion)),
      }),
      setReminder: t.field({
        ...shared,
        args: { time, expectedVersion },
        resolve: ({ id }, { time, expectedVersion }, { todos }) =>
          todos.change(id, setReminder(time, todos.now()), version(expectedVersion)),
      }),
      cancelReminder: t.field({
        ...shared,
        args: { expectedVersion },
        resolve: ({ id }, { expectedVersion }, { todos }) =>
          todos.change(id, cancelReminder(), version(expectedVersion)),
      }),
      toggle: t.field({
        ...shared,
        args: { expectedVersion },
        resolve: ({ id }, { expectedVersion }, { todos }) => todos.change(id, toggle(), version(expectedVersion)),
      }),
      reset: t.field({
        ...shared,
        args: { expectedVersion },
        resolve: ({ id }, { expectedVersion }, { todos }) => todos.change(id, reset(), version(expectedVersion)),
      }),
      complete: t.field({
        ...shared,
        args: { expectedVersion },
        resolve: ({ id }, { expectedVersion }, { todos }) =>
          todos.change(id, markCompleted(), version(expectedVersion)),
      }),
    }
  },
})

builder.mutationType({
  fields: (t) => ({
    newTodo: t.field({
      type: TodoObject,
      nullable: true,
      description: 'Creates a to-do. A reminder must be in the future.',
      args: { text: t.arg.string({ required: true }), reminderTime: t.arg({ type: 'DateTime' }) },
      complexity: { field: commandCost },
      resolve: (_, { text, reminderTime }, { todos }) => todos.create(text, reminderTime ?? undefined),
    }),
    todo: t.field({
      type: TodoCommands,
      nullable: true,
      args: { id: t.arg.id({ required: true }) },
      resolve: (_, { id }) => ({ id: todoId(id) }),
    }),
  }),
})

export const todoSchema = builder.toSchema()

const version = (expected: number | null | undefined) => eventNumber('expectedVersion', expected)
