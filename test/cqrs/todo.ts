import { z } from 'zod'
import { aggregate } from '../../src/cqrs/aggregate.ts'
import type { CommandOf } from '../../src/cqrs/command.ts'

/** A module for the tests of the kit. */
export type Todo =
  | { readonly created: false }
  | { readonly created: true; readonly text: string; readonly due: Date | undefined; readonly completed: boolean }

export const todo = aggregate({
  type: 'kit_todo',
  initial: { created: false },
  events: {
    created: z.object({ text: z.string().min(1), due: z.date().optional() }),
    completed: z.object({}),
    reopened: z.object({ reason: z.string().optional() }),
  },
  apply: (state: Todo, event) => {
    switch (event.type) {
      case 'created':
        return { created: true, text: event.data.text, due: event.data.due, completed: false }
      case 'completed':
        return state.created ? { ...state, completed: true } : state
      case 'reopened':
        return state.created ? { ...state, completed: false } : state
    }
  },
})

export class NotInitialised extends Error {
  override readonly name = 'NotInitialised'
}

export class AlreadyCreated extends Error {
  override readonly name = 'AlreadyCreated'
  readonly text: string

  constructor(text: string) {
    super('created before')
    this.text = text
  }
}

export const create =
  (text: string): CommandOf<typeof todo, AlreadyCreated> =>
  (state) =>
    state.created ? { refusal: new AlreadyCreated(state.text) } : [{ type: 'created', data: { text } }]

export const complete = (): CommandOf<typeof todo, NotInitialised> => (state) => {
  if (!state.created) return { refusal: new NotInitialised() }
  return state.completed ? [] : [{ type: 'completed', data: {} }]
}
