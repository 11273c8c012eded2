import { createHash } from 'node:crypto'
import { z } from 'zod'
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

/** White space counts in `q`. One user at most has an `email`, in any of its spellings. */
export const userListParameters = z.object({
  limit: z
    .string()
    .transform((text, context) => parseLimit(text) ?? refused(context, 'must be a whole number from 1 to 200'))
    .optional()
    .meta({ type: 'integer', minimum: 1, maximum: 200, default: 50, description: 'Users on a page.' }),
  cursor: z
    .string()
    .transform(
      (text, context) => decodeCursor(text) ?? refused(context, 'must be one that the next or prev link of a page had'),
    )
    .optional()
    .meta({ description: 'Where a page begins: opaque, taken from the `next` or `prev` link of an earlier one.' }),
  email: z
    .string()
    .transform((text, context) => {
      const email = canonicalEmail(text)
      return email instanceof InvalidEmail ? refused(context, email.reason) : email
    })
    .optional()
    .meta({ description: 'The one user with this email, in any of its spellings. Not together with `q` or `cursor`.' }),
  q: z
    .string()
    .refine(isSearchable, 'must have 3 to 100 characters, and no control characters')
    .optional()
    .meta({ description: 'Text anywhere in name or email, without case: 3 to 100 characters as users count them.' }),
})

function refused(context: z.core.$RefinementCtx, message: string): never {
  context.addIssue(message)
  return z.NEVER
}

/**
 * Reads the query string of `GET /users`.
 *
 * @throws {ValidationFailed} with every parameter that is unknown, repeated or malformed
 */
export function userListQuery(url: string): UserListQuery {
  const errors: InvalidPart[] = []
  const refuse = (parameter: string, detail: string) => void errors.push({ parameter, detail })
  const sent = sentParameters(url, refuse)
  if (sent.has('email') && (sent.has('q') || sent.has('cursor'))) {
    refuse('email', 'must not be combined with q or cursor: there is one user with an email at most')
  }
  const parsed = userListParameters.safeParse(Object.fromEntries(sent))
  for (const { path, message } of parsed.error?.issues ?? []) refuse(String(path[0]), message)
  if (!parsed.success || errors.length > 0) throw new ValidationFailed(errors)
  const { limit = 50, cursor, email, q } = parsed.data
  return { limit, cursor, email, q, sent }
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
