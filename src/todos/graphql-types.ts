import SchemaBuilder from '@pothos/core'
import ComplexityPlugin, { ComplexityErrorKind } from '@pothos/plugin-complexity'
import { GraphQLDateTime } from 'graphql-scalars'
import { encodeCursor, eventNumber, mostItems, pageSize, todoId } from './arguments.ts'
import { QueryTooComplex } from './graphql-errors.ts'
import type { TodoEvent } from './todo.ts'
import type { TodoPage, TodoRow } from './todo-list.ts'
import type { ShownEvent, ShownTodo, TodoRequest } from './todo-request.ts'

/** Levels of fields in a request, of which today's schema has 6, and what its fields may cost together. */
const maxDepth = 10
const maxCost = 10_000

/** What a field costs that asks the event store, where one that shows what is there already costs 1. */
export const readCost = 50
export const commandCost = 100

export const builder = new SchemaBuilder<{
  Context: { readonly todos: TodoRequest }
  DefaultFieldNullability: false
  Scalars: { ID: { Input: string; Output: string }; DateTime: { Input: Date; Output: Date } }
}>({
  plugins: [ComplexityPlugin],
  defaultFieldNullability: false,
  complexity: {
    limit: { depth: maxDepth, complexity: maxCost },
    defaultListMultiplier: 1,
    complexityError: (kind, { depth, complexity }) =>
      kind === ComplexityErrorKind.Depth
        ? new QueryTooComplex(`the request has ${depth} levels of fields, allowed are ${maxDepth}`)
        : new QueryTooComplex(`the request costs ${complexity}, allowed are ${maxCost}: ask for smaller pages`),
  },
})

builder.addScalarType('DateTime', GraphQLDateTime)

type EventOfType<Type extends TodoEvent['type']> = Extract<TodoEvent, { readonly type: Type }>

const TodoCreated = builder.objectRef<EventOfType<'todo_created'>>('TodoCreated').implement({
  fields: (t) => ({ description: t.string({ resolve: ({ data }) => data.description }) }),
})

const TodoDescriptionUpdated = builder
  .objectRef<EventOfType<'todo_description_updated'>>('TodoDescriptionUpdated')
  .implement({ fields: (t) => ({ description: t.string({ resolve: ({ data }) => data.description }) }) })

const TodoReminderUpdated = builder.objectRef<EventOfType<'todo_reminder_updated'>>('TodoReminderUpdated').implement({
  fields: (t) => ({
    reminder: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'Null where the reminder was cancelled.',
      resolve: ({ data }) => asDate(data.reminder),
    }),
  }),
})

const TodoCompleted = builder.objectRef<EventOfType<'todo_completed'>>('TodoCompleted').implement({
  fields: (t) => ({ completed: t.boolean({ resolve: () => true }) }),
})

const TodoUncompleted = builder.objectRef<EventOfType<'todo_uncompleted'>>('TodoUncompleted').implement({
  fields: (t) => ({ completed: t.boolean({ resolve: () => false }) }),
})

const eventTypes = {
  todo_created: TodoCreated,
  todo_description_updated: TodoDescriptionUpdated,
  todo_reminder_updated: TodoReminderUpdated,
  todo_completed: TodoCompleted,
  todo_uncompleted: TodoUncompleted,
} as const satisfies Record<TodoEvent['type'], unknown>

const TodoEventUnion = builder.unionType('TodoEvent', {
  description: 'Something that happened to a to-do.',
  types: Object.values(eventTypes),
  resolveType: ({ type }) => eventTypes[type],
})

const Metadata = builder.objectRef<Pick<ShownEvent, 'initiatedBy'>>('Metadata').implement({
  fields: (t) => ({
    initiatedBy: t.exposeString('initiatedBy', {
      nullable: true,
      description: 'Who caused the event: X-Initiated-By of the request. Null where its writer did not say.',
    }),
  }),
})

const VersionedTodoEvent = builder.objectRef<ShownEvent>('VersionedTodoEvent').implement({
  description: 'An event in the history of a to-do.',
  fields: (t) => ({
    sequence: t.exposeInt('sequence', { description: 'Number of the event in its stream, from 1.' }),
    event: t.field({ type: TodoEventUnion, resolve: ({ event }) => event }),
    metadata: t.field({ type: Metadata, resolve: (event) => event }),
  }),
})

export const TodoObject = builder.objectRef<ShownTodo>('Todo').implement({
  fields: (t) => ({
    id: t.exposeID('id', { description: 'A ULID.' }),
    description: t.exposeString('description'),
    reminder: t.field({ type: 'DateTime', nullable: true, resolve: ({ reminder }) => asDate(reminder) }),
    completed: t.exposeBoolean('completed'),
    version: t.exposeInt('version', { description: 'Number of the last event that this shows.' }),
    events: t.field({
      type: [VersionedTodoEvent],
      description: 'From the event store: the newest first, up to the version that is shown.',
      args: {
        before: t.arg.int({ description: 'Only events with a number below this one.' }),
        maxCount: t.arg.int({ description: 'From 1 to 200; 50 by default.' }),
      },
      complexity: ({ maxCount }) => ({ field: readCost, multiplier: mostItems(maxCount) }),
      resolve: ({ id, version }, { before, maxCount }, { todos }) => {
        const end = version + 1
        return todos.events(
          todoId(id),
          Math.min(eventNumber('before', before) ?? end, end),
          pageSize('maxCount', maxCount),
        )
      },
    }),
  }),
})

interface TodoConnection extends TodoPage {
  readonly total: number
}

const TodoEdge = builder.objectRef<TodoRow>('TodoEdge').implement({
  fields: (t) => ({
    id: t.exposeID('id', { description: 'Of the to-do.' }),
    cursor: t.string({ resolve: ({ position }) => encodeCursor(position) }),
    node: t.field({ type: TodoObject, resolve: (row) => row }),
  }),
})

const PageInfo = builder.objectRef<TodoPage>('PageInfo').implement({
  fields: (t) => ({
    hasNextPage: t.exposeBoolean('hasNext'),
    endCursor: t.string({
      nullable: true,
      description: 'For `after`, to get the next page. Null where this one is empty.',
      resolve: ({ todos }) => {
        const last = todos.at(-1)
        return last && encodeCursor(last.position)
      },
    }),
  }),
})

export const TodoConnectionObject = builder.objectRef<TodoConnection>('TodoConnection').implement({
  fields: (t) => ({
    totalCount: t.exposeInt('total', { description: 'To-dos in all.' }),
    edges: t.field({ type: [TodoEdge], resolve: ({ todos }) => todos }),
    pageInfo: t.field({ type: PageInfo, resolve: (page) => page }),
  }),
})

function asDate(iso: string | null): Date | null {
  return iso === null ? null : new Date(iso)
}
