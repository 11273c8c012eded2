import { z } from 'zod'
import { idempotencyKeyHeader, registrationBody } from './registration-form.ts'
import { userListParameters } from './user-list-query.ts'

const link = z.object({ href: z.string(), templated: z.literal(true).optional() }).meta({ id: 'Link' })

const userMembers = {
  id: z.ulid().meta({ description: 'A ULID.' }),
  name: z.string(),
  email: z.string().meta({ description: 'As the user typed it.' }),
  created_at: z.iso.datetime({ offset: true }).meta({ description: 'When the event store recorded the registration.' }),
}

const user = z.object({ ...userMembers, _links: z.object({ self: link, users: link }) }).meta({ id: 'User' })

const userPage = z
  .object({
    _links: z.object({
      ...{ self: link, first: link, find: link },
      next: link.optional().meta({ description: 'Older users.' }),
      prev: link.optional().meta({ description: 'Newer users.' }),
    }),
    _embedded: z.object({ users: z.array(z.object({ ...userMembers, _links: z.object({ self: link }) })) }),
    count: z.int().meta({ description: 'On this page.' }),
    total: z.int().meta({ description: 'All there are, whatever was searched for.' }),
  })
  .meta({ id: 'UserPage' })

const HAL = 'application/hal+json'

const ada = {
  ...{ id: '01M84XA5WQ2B3JJ3R3HGSM4H0Q', name: 'Ada Lovelace', email: 'Ada@example.com' },
  created_at: '2026-01-02T03:04:05.678Z',
}
const self = { href: `/users/${ada.id}` }
const adaExample = { ...ada, _links: { self, users: { href: '/users' } } }

const tag = { name: 'Users', description: 'Who is registered.' }

/** What the API reference says of the users' routes. */
export const userReference = [
  {
    method: 'post',
    path: '/user/registration',
    isQuery: false,
    id: 'registerUser',
    tag,
    summary: 'Register a user',
    description:
      'The event store makes emails unique: of any number of concurrent registrations of one email, at any number of ' +
      'instances, one gets 201. Members of the body that are not known are ignored.',
    headers: z.object({ 'Idempotency-Key': idempotencyKeyHeader.optional() }),
    body: { schema: registrationBody, example: { username: 'Ada Lovelace', email: 'Ada@example.com' } },
    answers: {
      201: {
        description: 'The user is registered.',
        ...{ mediaType: HAL, schema: user, example: adaExample },
        headers: z.object({
          Location: z.string().meta({ description: 'The user.' }),
          'Idempotency-Replayed': z
            .literal('true')
            .optional()
            .meta({ description: 'This is the answer to an earlier request with this key, given again.' }),
        }),
      },
    },
    problems: [
      'validation',
      'email-already-registered',
      'idempotency-key-reused',
      'event-store-unavailable',
      'overloaded',
    ],
  },
  {
    method: 'get',
    path: '/users',
    isQuery: true,
    id: 'listUsers',
    tag,
    summary: 'List users',
    description: 'Newest first. The `find` link is a URI template (RFC 6570).',
    query: userListParameters,
    answers: {
      200: {
        description: 'A page of users.',
        ...{ mediaType: HAL, schema: userPage },
        example: {
          _links: {
            ...{ self: { href: '/users?limit=1' }, first: { href: '/users?limit=1' } },
            next: { href: '/users?limit=1&cursor=YjEwMC5kR3BhNEE' },
            find: { href: '/users{?limit,cursor,email,q}', templated: true },
          },
          _embedded: { users: [{ ...ada, _links: { self } }] },
          ...{ count: 1, total: 2 },
        },
      },
    },
    problems: ['validation'],
  },
  {
    method: 'get',
    path: '/users/{id}',
    isQuery: true,
    id: 'getUser',
    tag,
    summary: 'Look at a user',
    pathParameters: z.object({ id: z.string().meta({ description: 'A ULID.' }) }),
    answers: { 200: { description: 'The user.', mediaType: HAL, schema: user, example: adaExample } },
    problems: ['user-not-found'],
  },
] as const
