import { z } from 'zod'
import { aggregate, type EventOf } from '../cqrs/aggregate.ts'
import type { CommandError } from '../cqrs/command.ts'

export type User = { readonly registered: false } | { readonly registered: true; readonly id: string }

/**
 * One per canonical email, which is its id: that makes an email unique without a look-up. The rules for names and
 * emails are checked where a command comes in, not in the events: a rule that is tightened later must not make a poison
 * event of what was valid when it was recorded.
 */
export const user = aggregate({
  type: 'user',
  initial: { registered: false },
  events: {
    UserRegistered: z.object({
      id: z.ulid(),
      name: z.string().min(1),
      /** As the user typed it. The canonical form is in the name of the stream. */
      email: z.string().min(1),
    }),
  },
  apply: (_state: User, { data }) => ({ registered: true, id: data.id }),
})

export type UserEvent = EventOf<typeof user>

export interface RegisterUser {
  /** A new ULID. */
  readonly id: string
  readonly name: string
  readonly email: string
}

/** Decides for exactly one event. */
export const registerUser =
  ({ id, name, email }: RegisterUser) =>
  (state: User): readonly [UserEvent] | CommandError<EmailAlreadyRegistered> =>
    state.registered
      ? { refusal: new EmailAlreadyRegistered() }
      : [{ type: 'UserRegistered', data: { id, name, email } }]

/** Does not say whose email it is, nor which: the message may be shown to anyone. */
export class EmailAlreadyRegistered extends Error {
  override readonly name = 'EmailAlreadyRegistered'

  constructor() {
    super('a user with this email is already registered')
  }
}
