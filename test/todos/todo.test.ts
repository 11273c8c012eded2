import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { arbitraryEvent, arbitraryEvents } from '../../src/cqrs/testing/arbitraries.ts'
import { given } from '../../src/cqrs/testing/given.ts'
import { replayLaw, roundTripLaw } from '../../src/cqrs/testing/laws.ts'
import {
  AlreadyCreated,
  cancelReminder,
  create,
  InvalidDescription,
  markCompleted,
  NotInitialised,
  ReminderNotInFuture,
  reset,
  setReminder,
  type TodoEvent,
  todo,
  toggle,
  updateDescription,
} from '../../src/todos/todo.ts'

const now = new Date('2026-01-02T03:04:05.678Z')
const later = new Date('2026-01-02T03:04:05.679Z')
const created: TodoEvent = { type: 'todo_created', data: { description: 'Buy milk' } }
const reminded: TodoEvent = { type: 'todo_reminder_updated', data: { reminder: later.toISOString() } }
const cancelled: TodoEvent = { type: 'todo_reminder_updated', data: { reminder: null } }
const completed: TodoEvent = { type: 'todo_completed', data: {} }
const uncompleted: TodoEvent = { type: 'todo_uncompleted', data: {} }

describe('create', () => {
  it('creates a to-do', () => {
    given(todo, [])
      .when(create('Buy milk', undefined, now))
      .then([created])
  })

  it('creates one with a reminder', () => {
    given(todo, [])
      .when(create('Buy milk', later, now))
      .then([created, reminded])
  })

  it('is refused where the to-do exists, whatever is wrong with it beside', () => {
    given(todo, [created])
      .when(create('', now, now))
      .then({ refusal: new AlreadyCreated() })
  })

  it.each([now, new Date(0)])('is refused where the reminder is not in the future: %s', (reminder) => {
    given(todo, [])
      .when(create('Buy milk', reminder, now))
      .then({ refusal: new ReminderNotInFuture() })
  })
})

describe('update description', () => {
  it('changes the description', () => {
    given(todo, [created])
      .when(updateDescription('Buy bread'))
      .then([{ type: 'todo_description_updated', data: { description: 'Buy bread' } }])
  })

  it('does nothing where the description is the same, but for the white space around it', () => {
    given(todo, [created]).when(updateDescription('\n Buy milk ')).then([])
  })
})

describe('a description', () => {
  it.each([
    [' \t Buy milk\n', 'Buy milk'],
    ['milk\n\tbread\r\n\teggs', 'milk\n\tbread\r\n\teggs'],
    ['👩‍👩‍👧', '👩‍👩‍👧'],
    ['x'.repeat(1000), 'x'.repeat(1000)],
    ['😀'.repeat(1000), '😀'.repeat(1000)],
  ])('is kept without the white space around it: %j', (typed, description) => {
    given(todo, [])
      .when(create(typed, undefined, now))
      .then([{ type: 'todo_created', data: { description } }])
  })

  it.each([
    ['', 'must not be empty'],
    [' \t\n ', 'must not be empty'],
    ['\u200b\u2060', 'must not be empty'],
    ['a\0b', 'must not contain control characters other than tabs and line breaks'],
    ['a\u0085b', 'must not contain control characters other than tabs and line breaks'],
    ['a\ud800b', 'must be well-formed Unicode: it has half of a surrogate pair'],
    ['x'.repeat(1001), 'must have at most 1000 Unicode characters'],
  ])('is refused: %j', (typed, reason) => {
    const refused = { refusal: new InvalidDescription(reason) }
    given(todo, [])
      .when(create(typed, undefined, now))
      .then(refused)
    given(todo, [created]).when(updateDescription(typed)).then(refused)
  })
})

describe('set reminder', () => {
  it('sets it, or another one', () => {
    given(todo, [created]).when(setReminder(later, now)).then([reminded])
    const muchLater = new Date('2100-01-01')
    given(todo, [created, reminded])
      .when(setReminder(muchLater, now))
      .then([{ type: 'todo_reminder_updated', data: { reminder: '2100-01-01T00:00:00.000Z' } }])
  })

  it('does nothing where it is set to that time', () => {
    given(todo, [created, reminded]).when(setReminder(later, now)).then([])
  })

  it('sets it again after it was cancelled', () => {
    given(todo, [created, reminded, cancelled]).when(setReminder(later, now)).then([reminded])
  })

  it.each([now, new Date(0)])('is refused where the time is not in the future: %s', (time) => {
    given(todo, [created]).when(setReminder(time, now)).then({ refusal: new ReminderNotInFuture() })
  })
})

describe('cancel reminder', () => {
  it('cancels it', () => {
    given(todo, [created, reminded]).when(cancelReminder()).then([cancelled])
  })

  it('does nothing where there is none', () => {
    given(todo, [created]).when(cancelReminder()).then([])
    given(todo, [created, reminded, cancelled]).when(cancelReminder()).then([])
  })
})

describe('toggle', () => {
  it('completes what is to be done, and the other way round', () => {
    given(todo, [created]).when(toggle()).then([completed])
    given(todo, [created, completed]).when(toggle()).then([uncompleted])
    given(todo, [created, completed, uncompleted]).when(toggle()).then([completed])
  })
})

describe('mark completed', () => {
  it('completes what is to be done', () => {
    given(todo, [created]).when(markCompleted()).then([completed])
  })

  it('does nothing where it is done', () => {
    given(todo, [created, completed]).when(markCompleted()).then([])
  })
})

describe('reset', () => {
  it('takes back that it is done', () => {
    given(todo, [created, completed]).when(reset()).then([uncompleted])
  })

  it('does nothing where it is to be done', () => {
    given(todo, [created]).when(reset()).then([])
  })
})

const onExisting = { updateDescription: updateDescription('x'), setReminder: setReminder(later, now) }
const commands = { ...onExisting, cancelReminder: cancelReminder(), toggle: toggle(), markCompleted: markCompleted() }

it.each(Object.entries({ ...commands, reset: reset() }))('%s is refused where there is no to-do', (_, command) => {
  expect(command(todo.initial)).toEqual({ refusal: new NotInitialised() })
})

describe('the aggregate', () => {
  it('ignores what came before it was created, and that it was created again', () => {
    const again: TodoEvent = { type: 'todo_created', data: { description: 'Buy bread' } }
    const state = [completed, reminded, created, again].reduce(todo.apply, todo.initial)
    expect(state).toEqual({ created: true, description: 'Buy milk', reminder: null, completed: false })
  })

  it('comes out the same from a snapshot and the events behind it', async () => {
    await replayLaw(todo, arbitraryEvents(todo))
  })

  it('has events that come back as they were stored', () => {
    roundTripLaw(todo, arbitraryEvent(todo))
  })

  it('never produces an event that changes nothing', () => {
    const command = fc.constantFrom(...Object.values(commands), reset())
    fc.assert(
      fc.property(arbitraryEvents(todo), command, (events, command) => {
        const before = events.reduce(todo.apply, todo.initial)
        const decision = command(before)
        if ('refusal' in decision) return
        for (const event of decision) expect(todo.apply(before, event)).not.toEqual(before)
      }),
    )
  })
})
