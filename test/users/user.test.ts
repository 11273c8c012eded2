import { describe, expect, it } from 'vitest'
import type { RecordedEvent } from '../../src/cqrs/event.ts'
import { EmailAlreadyRegistered, registerUser, type UserEvent, user } from '../../src/users/user.ts'

const command = { id: '01M84QEHF58NRESRTHMS1APMV9', name: 'Ada', email: 'Ada@Example.com' }
const given = (...events: UserEvent[]) => events.reduce(user.apply, user.initial)

describe('registering a user', () => {
  it('is an event with the id, the name, and the email as typed', () => {
    expect(registerUser(command)(given())).toEqual([{ type: 'UserRegistered', data: command }])
  })

  it('is refused where the email is registered', () => {
    const registered = given({ type: 'UserRegistered', data: { ...command, id: '01HNZX8JGFACFA36RBXDHEQN6E' } })
    expect(registerUser(command)(registered)).toEqual({ refusal: expect.any(EmailAlreadyRegistered) })
  })
})

describe('the events of a user', () => {
  it('survive the log', () => {
    const event: UserEvent = { type: 'UserRegistered', data: command }
    expect(user.codec.decode(recorded(user.codec.encode('1', event, {}).data))).toEqual(event)
  })

  it('may have members that are not known yet', () => {
    expect(user.codec.decode(recorded({ ...command, country: 'GB' })).data).toEqual(command)
  })

  it.each([{ ...command, id: '17' }, { ...command, name: '' }, { id: command.id, name: 'Ada' }, 'no JSON', null])(
    'cannot be %j',
    (data) => {
      expect(() => user.codec.decode(recorded(data))).toThrow(expect.objectContaining({ name: 'CorruptEvent' }))
    },
  )
})

function recorded(data: unknown): RecordedEvent {
  return {
    id: '1',
    stream: 'user-ada@example.com',
    number: 1,
    position: 1,
    type: 'UserRegistered',
    data,
    metadata: {},
    created: new Date(0),
  }
}
