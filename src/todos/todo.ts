import { z } from 'zod'
import { aggregate, type EventOf } from '../cqrs/aggregate.ts'
import type { CommandError, ProducedEvents } from '../cqrs/command.ts'

export type Todo = { readonly created: false } | CreatedTodo

export interface CreatedTodo {
  readonly created: true
  readonly description: string
  /** ISO 8601 in UTC. */
  readonly reminder: string | null
  readonly completed: boolean
}

/**
 * Something to be done. What a description and a reminder must be is checked in the commands, not here: a rule that is
 * tightened later must not make a corrupt event of what was valid when it was recorded.
 */
export const todo = aggregate({
  type: 'todo',
  initial: { created: false },
  events: {
    todo_created: z.object({ description: z.string() }),
    todo_description_updated: z.object({ description: z.string() }),
    /** null where the reminder was cancelled. */
    todo_reminder_updated: z.object({ reminder: z.iso.datetime().nullable() }),
    todo_completed: z.object({}),
    todo_uncompleted: z.object({}),
  },
  apply(state: Todo, event): Todo {
    if (!state.created) {
      if (event.type !== 'todo_created') return state
      return { created: true, description: event.data.description, reminder: null, completed: false }
    }
    switch (event.type) {
      case 'todo_created':
        return state
      case 'todo_description_updated':
        return { ...state, description: event.data.description }
      case 'todo_reminder_updated':
        return { ...state, reminder: event.data.reminder }
      case 'todo_completed':
        return { ...state, completed: true }
      case 'todo_uncompleted':
        return { ...state, completed: false }
    }
  },
})

export type TodoEvent = EventOf<typeof todo>

/** @param now the reminder must be later. */
export function create(typed: string, reminder: Date | undefined, now: Date) {
  return (state: Todo) => {
    if (state.created) return { refusal: new AlreadyCreated() }
    const text = description(typed)
    if (text instanceof InvalidDescription) return { refusal: text }
    const created = { type: 'todo_created', data: { description: text } } as const
    if (reminder === undefined) return [created]
    return reminder > now ? [created, reminderUpdated(reminder.toISOString())] : { refusal: new ReminderNotInFuture() }
  }
}

export function updateDescription(typed: string) {
  return whereCreated((todo) => {
    const text = description(typed)
    if (text instanceof InvalidDescription) return { refusal: text }
    return text === todo.description ? [] : [{ type: 'todo_description_updated', data: { description: text } }]
  })
}

/** @param now the time must be later. */
export function setReminder(time: Date, now: Date) {
  return whereCreated((todo) => {
    if (time <= now) return { refusal: new ReminderNotInFuture() }
    const reminder = time.toISOString()
    return reminder === todo.reminder ? [] : [reminderUpdated(reminder)]
  })
}

export function cancelReminder() {
  return whereCreated((todo) => (todo.reminder === null ? [] : [reminderUpdated(null)]))
}

export function toggle() {
  return whereCreated((todo) => [todo.completed ? uncompleted : completed])
}

export function markCompleted() {
  return whereCreated((todo) => (todo.completed ? [] : [completed]))
}

export function reset() {
  return whereCreated((todo) => (todo.completed ? [uncompleted] : []))
}

const completed = { type: 'todo_completed', data: {} } as const
const uncompleted = { type: 'todo_uncompleted', data: {} } as const
const reminderUpdated = (reminder: string | null) => ({ type: 'todo_reminder_updated', data: { reminder } }) as const

function whereCreated<Decision extends ProducedEvents<TodoEvent> | CommandError>(
  decide: (todo: CreatedTodo) => Decision,
) {
  return (state: Todo) => (state.created ? decide(state) : { refusal: new NotInitialised() })
}

const maxDescription = 1000

/** As typed, without the white space around it. Line breaks and tabs are allowed in it. */
function description(typed: string): string | InvalidDescription {
  const text = typed.trim()
  if (/^[\p{Default_Ignorable_Code_Point}\p{Z}\p{Cc}]*$/u.test(text)) return new InvalidDescription('must not be empty')
  if (/[^\P{Cc}\t\n\r]/u.test(text)) {
    return new InvalidDescription('must not contain control characters other than tabs and line breaks')
  }
  if (/\p{Cs}/u.test(text))
    return new InvalidDescription('must be well-formed Unicode: it has half of a surrogate pair')
  if ([...text].length > maxDescription) {
    return new InvalidDescription(`must have at most ${maxDescription} Unicode characters`)
  }
  return text
}

/** What a command on a to-do may be refused with. */
export type TodoRefusal = AlreadyCreated | NotInitialised | InvalidDescription | ReminderNotInFuture

export class AlreadyCreated extends Error {
  override readonly name = 'AlreadyCreated'

  constructor() {
    super('the to-do was created already')
  }
}

/** There is no to-do to run the command on. */
export class NotInitialised extends Error {
  override readonly name = 'NotInitialised'

  constructor() {
    super('the to-do was never created')
  }
}

export class InvalidDescription extends Error {
  override readonly name = 'InvalidDescription'
  /** Completes the sentence "the description …". */
  readonly reason: string

  constructor(reason: string) {
    super(`the description ${reason}`)
    this.reason = reason
  }
}

export class ReminderNotInFuture extends Error {
  override readonly name = 'ReminderNotInFuture'

  constructor() {
    super('the reminder must be in the future')
  }
}
