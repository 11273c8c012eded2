import { Hono } from 'hono'
import type { Admission } from '../cqrs/command-limit.ts'
import { pageCache } from './page-cache.ts'
import { userReference } from './reference.ts'
import type { IdempotencyKeyReused, Register } from './registration.ts'
import { registrationForm } from './registration-form.ts'
import type { EmailAlreadyRegistered } from './user.ts'
import type { UserDirectory, UserPage, UserQueries, UserRow } from './user-directory.ts'
import { type Cursor, encodeCursor, parameters, type UserListQuery, userListQuery } from './user-list-query.ts'
import type { ValidationFailed } from './validation.ts'

/** What the routes need of the app that they are part of. */
interface RouteVariables {
  requestId: string
  position: number | undefined
  readJson: () => Promise<unknown>
  awaitToken: () => Promise<void>
  render: (resource: object) => Representation
  send: (representation: Representation, status?: 200 | 201, headers?: Readonly<Record<string, string>>) => Response
}

interface Representation {
  readonly body: Uint8Array<ArrayBuffer>
  readonly etag: string
}

interface UsersPorts {
  readonly register: Register
  readonly queries: UserQueries
  /** What each registration has to pass. */
  readonly admit: Admission
}

/** The users' part of the API. */
export function usersModule(ports: UsersPorts) {
  return { routes: userRoutes(ports), problems: userProblems, links: userLinks, reference: userReference }
}

function userRoutes({ register, queries, admit }: UsersPorts) {
  const cached = pageCache<Representation>(queries)
  return new Hono<{ Variables: RouteVariables }>()
    .post('/user/registration', async (c) => {
      const body = await c.get('readJson')()
      const form = registrationForm(body, c.req.header('Idempotency-Key'), c.get('requestId'))
      const { user, position, replayed } = await admit(() => register(form))
      c.set('position', position)
      const resource = userResource({ ...user, createdAt: user.createdAt.toISOString() })
      return c.get('send')(c.get('render')(resource), 201, {
        Location: hrefOf(user.id),
        ...(replayed && { 'Idempotency-Replayed': 'true' }),
      })
    })
    .get('/users', (c) => {
      const query = userListQuery(c.req.url)
      const { page, position } = cached(selfHref(query), (users) => {
        return c.get('render')(listResource(query, pageOf(users, query), users.total()))
      })
      c.set('position', position)
      return c.get('send')(page)
    })
    .get('/users/:id', (c) => {
      const id = c.req.param('id')
      const { value: user, position } = queries.query((users) => users.byId(id))
      c.set('position', position)
      if (!user) throw new UserNotFound(id)
      return c.get('send')(c.get('render')(userResource(user)))
    })
}

class UserNotFound extends Error {
  override readonly name = 'UserNotFound'
  readonly id: string

  constructor(id: string) {
    super('there is no user with this id')
    this.id = id
  }
}

type UsersError = ValidationFailed | EmailAlreadyRegistered | IdempotencyKeyReused | UserNotFound

/** How each error of the module is told to clients (RFC 9457), by its name. */
const userProblems = {
  ValidationFailed: { status: 422, slug: 'validation', title: 'Validation failed', extensions: ['errors'] },
  EmailAlreadyRegistered: { status: 409, slug: 'email-already-registered', title: 'Email already registered' },
  IdempotencyKeyReused: { status: 422, slug: 'idempotency-key-reused', title: 'Idempotency-Key reused' },
  UserNotFound: { status: 404, slug: 'user-not-found', title: 'User not found' },
} as const satisfies Record<UsersError['name'], object>

const find = { href: `/users{?${parameters.join(',')}}`, templated: true } as const

/** In the HAL root. */
const userLinks = { users: find, register: { href: '/user/registration' } }

function pageOf(users: UserDirectory, { email, limit, cursor, q }: UserListQuery): UserPage {
  if (email === undefined) return users.page({ limit, ...cursor, ...(q !== undefined && { q }) })
  const user = users.byEmail(email)
  return { users: user ? [user] : [], hasNext: false, hasPrev: false }
}

/** `total` counts all users, whatever was searched for: to count matches would cost more the more there are. */
function listResource(query: UserListQuery, { users, hasNext, hasPrev }: UserPage, total: number) {
  const oldest = users.at(-1)
  const newest = users[0]
  return {
    _links: {
      self: { href: selfHref(query) },
      first: { href: listHref(query, undefined) },
      ...(hasNext && oldest && { next: { href: pageHref(query, { before: oldest.position }) } }),
      ...(hasPrev && newest && { prev: { href: pageHref(query, { after: newest.position }) } }),
      find,
    },
    _embedded: { users: users.map(userItem) },
    count: users.length,
    total,
  }
}

function selfHref(query: UserListQuery): string {
  return listHref(query, query.sent.get('cursor'))
}

function pageHref(query: UserListQuery, cursor: Cursor): string {
  return listHref(query, encodeCursor(cursor))
}

function listHref({ sent }: UserListQuery, cursor: string | undefined): string {
  const kept = [...sent].filter(([name]) => name !== 'cursor')
  const all = cursor === undefined ? kept : [...kept, ['cursor', cursor] as const]
  const query = all.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join('&')
  return query === '' ? '/users' : `/users?${query}`
}

function userItem({ id, name, email, createdAt }: Omit<UserRow, 'position'>) {
  return { id, name, email, created_at: createdAt, _links: { self: { href: hrefOf(id) } } }
}

function userResource(user: Omit<UserRow, 'position'>) {
  const { _links, ...members } = userItem(user)
  return { ...members, _links: { ..._links, users: { href: '/users' } } }
}

function hrefOf(id: string): string {
  return `/users/${id}`
}
