import { createHash } from 'node:crypto'
import { canonicalEmail, InvalidEmail } from './email.ts'
import { countCharacters } from './user-name.ts'
import { type InvalidPart, ValidationFailed } from './validation.ts'

/** What `GET /users` was asked for. */
export interface UserListQuery {
  /** Users on a page. */
  readonly limit: number
  readonly cursor: Cursor | undefined
  readonly q: string | undefined
  /** In canonical form. */
  readonly email: string | undefined
  /** The parameters as they were sent, for links that keep them. */
  readonly sent: ReadonlyMap<Parameter, string>
}

/** A page begins next to a position of the log: `before` has what is older, `after` what is newer. */
export type Cursor = { readonly before: number } | { readonly after: number }

type Parameter = (typeof parameters)[number]

export const parameters = ['limit', 'cursor', 'email', 'q'] as const

/** The cursor as clients see it: opaque, with a checksum that tells a mangled one from a good one. */
export function encodeCursor(cursor: Cursor): string {
  const text = 'before' in cursor ? `b${cursor.before}` : `a${cursor.after}`
  return Buffer.from(`${text}.${checksum(text)}`).toString('base64url')
}

/**
 * Reads the query string of `GET /users`:
 *
 * - `limit`: 1 to 200, 50 where it is not given
 * - `cursor`: one that an earlier page linked to
 * - `q`: 3 to 100 characters as users count them, taken as it is: white space counts
 * - `email`: an address in any of its spellings; not together with `q` or `cursor`, as there is one user at most
 *
 * @throws {ValidationFailed} with every parameter that is unknown, repeated or malformed
 */
export function userListQuery(url: string): UserListQuery {
  const errors: InvalidPart[] = []
  const refuse = (parameter: string, detail: string) => {
    errors.push({ parameter, detail })
    return undefined
  }
  const sent = sentParameters(url, refuse)
  const limit = sent.get('limit')
  const cursor = sent.get('cursor')
  const email = sent.get('email')
  const q = sent.get('q')
  if (email !== undefined && (q !== undefined || cursor !== undefined)) {
    refuse('email', 'must not be combined with q or cursor: there is one user with an email at most')
  }
  const query = {
    limit: limit === undefined ? 50 : (parseLimit(limit) ?? refuse('limit', 'must be a whole number from 1 to 200')),
    cursor:
      cursor === undefined
        ? undefined
        : (decodeCursor(cursor) ?? refuse('cursor', 'must be one that the next or prev link of a page had')),
    q: q === undefined || isSearchable(q) ? q : refuse('q', 'must have 3 to 100 characters, and no control characters'),
    email: email === undefined ? undefined : canonical(email, (reason) => refuse('email', reason)),
  }
  if (errors.length > 0 || query.limit === undefined) throw new ValidationFailed(errors)
  return { ...query, limit: query.limit, sent }
}

function sentParameters(url: string, refuse: (parameter: string, detail: string) => void): Map<Parameter, string> {
  const sent = new Map<Parameter, string>()
  const start = url.indexOf('?')
  if (start === -1) return sent
  for (const pair of url.slice(start + 1).split('&')) {
    if (pair === '') continue
    const [key = '', ...value] = pair.split('=')
    const name = decode(key) ?? key
    const text = decode(value.join('='))
    const known = parameters.find((parameter) => parameter === name)
    if (known === undefined) refuse(name, `is unknown: there are ${parameters.join(', ')}`)
    else if (sent.has(known)) refuse(name, 'must not be repeated')
    else if (text === undefined) refuse(name, 'must be percent-encoded UTF-8')
    else sent.set(known, text)
  }
  return sent
}

/** Stricter than `URLSearchParams`, which puts U+FFFD where the text is malformed. */
function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    return undefined
  }
}

function parseLimit(text: string): number | undefined {
  const limit = /^[1-9]\d{0,2}$/.test(text) ? Number(text) : Number.NaN
  return limit <= 200 ? limit : undefined
}

function decodeCursor(text: string): Cursor | undefined {
  const decoded = Buffer.from(text, 'base64url').toString('latin1')
  const [, direction, position] = /^([ab])(\d{1,16})\./.exec(decoded) ?? []
  if (position === undefined) return undefined
  const cursor = direction === 'b' ? { before: Number(position) } : { after: Number(position) }
  return encodeCursor(cursor) === text ? cursor : undefined
}

function checksum(text: string): string {
  return createHash('sha256').update(`users:${text}`).digest('base64url').slice(0, 6)
}

function isSearchable(q: string): boolean {
  if (q.length < 3 || /\p{Cc}/u.test(q)) return false
  const count = countCharacters(q)
  return count >= 3 && count <= 100
}

function canonical(email: string, refuse: (reason: string) => undefined): string | undefined {
  const parsed = canonicalEmail(email)
  return parsed instanceof InvalidEmail ? refuse(parsed.reason) : parsed
}
