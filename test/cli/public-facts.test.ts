import { DrizzleQueryError } from 'drizzle-orm/errors'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { publicFacts } from '../../src/cli/public-facts.ts'
import { AppendRefused, StoreUnavailable } from '../../src/cqrs/event-store.ts'
import { PreconditionFailed } from '../../src/cqrs/precondition.ts'
import { Hopeless } from '../../src/cqrs/reaction.ts'
import { PoisonEvent } from '../../src/read-model/apply.ts'
import { user } from '../../src/users/user.ts'
import { registered } from '../read-model/fixtures.ts'

const stream = 'user-ada@example.com'
const event = registered(7, 'ada@example.com', {
  data: { id: 'no ulid', name: 'Ada Lovelace', email: 'Ada@Example.com' },
})

function corrupt(): Error {
  try {
    user.codec.decode(event)
  } catch (error) {
    if (error instanceof Error) return error
  }
  throw new Error('it was decoded')
}

const described = z.object({ type: z.string(), message: z.string(), stack: z.string() })
const errOf = (error: unknown) => described.parse(publicFacts({ err: error })['err'])

describe('of an error, a line of the log', () => {
  const inDisguise: readonly [string, Error, string][] = [
    [
      'of the kit',
      new PreconditionFailed(stream, 'new', 1),
      'stream user-… was expected to be new, but is at version 1',
    ],
    ['of an append', new AppendRefused(stream, 'access denied'), 'append to user-… was refused: access denied'],
    ['with an event', new PoisonEvent(event, corrupt()), 'event 1 of user-…'],
    [
      'with a cause',
      new Hopeless(corrupt().message, { cause: corrupt() }),
      'event 1 of user-… is no valid UserRegistered',
    ],
    ['of the client', Object.assign(new Error(`${stream} not found`), { streamName: stream }), 'user-… not found'],
    ['that names no field', new Error(`stream ${stream} is gone`), 'stream …@… is gone'],
    ['that names an email alone', new Error('"Ada" <ada@example.com>: no'), '"…" <…@…>: no'],
    ['of JSON', new SyntaxError('Unexpected token A, "Ada Lovelace" is not valid JSON'), '…'],
    ['of a query', new DrizzleQueryError('SELECT ?', ['ada@example.com', 'Ada Lovelace']), '…'],
  ]
  it.each(inDisguise)('says what went wrong, and nothing of a person: %s', (_, error, message) => {
    const { stack, ...said } = errOf(error)
    expect(said.message).toContain(message)
    expect(JSON.stringify(publicFacts({ err: error, reason: error }))).not.toMatch(/ada|lovelace/i)
    expect(stack).toMatch(/^ {4}at /)
  })

  it('says what it is, its code and its cause, and no other field', () => {
    const cause = Object.assign(new Error('connect refused'), { code: 'ECONNREFUSED', name: 'Ada Lovelace' })
    cause.name = 'Error'
    const error = Object.assign(new StoreUnavailable('away', 'unknown', { cause }), { person: 'Ada Lovelace' })
    expect(publicFacts({ err: error, requestId: 'r' })).toEqual({
      requestId: 'r',
      err: {
        ...{ type: 'StoreUnavailable', message: 'event store unavailable: away', stack: expect.any(String) },
        cause: { type: 'Error', message: 'connect refused', code: 'ECONNREFUSED', stack: expect.any(String) },
      },
    })
  })

  it('says the reason alone, where that is all that is asked for', () => {
    expect(publicFacts({ reason: new PreconditionFailed(stream, 'new', 1) })).toEqual({
      reason: 'stream user-… was expected to be new, but is at version 1',
    })
    expect(publicFacts({ stream, reason: `event 1 of ${stream} is parked` })).toEqual({
      stream: 'user-…',
      reason: 'event 1 of user-… is parked',
    })
  })

  it.each([
    ['a text', 'ada@example.com said no', '…@… said no'],
    ['anything', { name: 'Ada Lovelace' }, '…'],
    ['nothing', null, '…'],
  ])('takes what is no error: %s', (_, thrown, message) => {
    expect(publicFacts({ err: thrown })).toMatchObject({ err: { message } })
  })
})
