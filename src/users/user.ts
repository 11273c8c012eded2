import { z } from 'zod'
import type { Aggregate } from '../cqrs/aggregate.ts'
import { eventCodec } from '../cqrs/event-codec.ts'

/**
 * The events of a user. The rules for names and emails are checked where a command comes in, not here: a rule that
 * is tightened later must not make a poison event of what was valid when it was recorded.
 */
const userEvent = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('UserRegistered'),
    data: z.object({
      id: z.ulid(),
      name: z.string().min(1),
      /** As the user typed it. The canonical form is in the name of the stream. */
      email: z.string().min(1),
    }),
  }),
])

export type UserEvent = z.infer<typeof userEvent>

export const userEvents = eventCodec<UserEvent>(userEvent, {})

export type UserState = { readonly registered: false } | { readonly registered: true; readonly id: string }

/** One per canonical email, which is its id: that makes an email unique without a look-up. */
export const user: Aggregate<UserState, UserEvent> = {
  type: 'user',
  initial: { registered: false },
  apply: (_state, { data }) => ({ registered: true, id: data.id }),
}

export interface RegisterUser {
  /** A new ULID. */
  readonly id: string
  readonly name: string
  readonly email: string
}

export function registerUser(state: UserState, command: RegisterUser): Registration {
  if (state.registered) return { refusal: new EmailAlreadyRegistered() }
  const { id, name, email } = command
  return { events: [{ type: 'UserRegistered', data: { id, name, email } }] }
}

/** A decision for exactly one event. */
export type Registration = { readonly events: readonly [UserEvent] } | { readonly refusal: EmailAlreadyRegistered }

/** Does not say whose email it is, nor which: the message may be shown to anyone. */
export class EmailAlreadyRegistered extends Error {
  override readonly name = 'EmailAlreadyRegistered'

  constructor() {
    super('a user with this email is already registered')
  }
}
