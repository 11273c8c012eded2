import type { Context } from 'hono'
import type { Representation } from './hal.ts'
import type { Variables } from './module.ts'
import type { Problem } from './problem.ts'
import { consistencyToken } from './read-your-writes.ts'

/**
 * Answers with a representation, or with 304 where a GET's `If-None-Match` says that the client has it.
 *
 * All header fields are given to the response at once, as a plain object: adding them to a finished response would
 * cost more than all the rest of the HTTP layer.
 */
export function send(
  c: Context<{ Variables: Variables }>,
  { body, etag }: Representation,
  status: 200 | 201 = 200,
  headers: Readonly<Record<string, string>> = {},
): Response {
  const all: Record<string, string> = { ...envelope(c), ...headers, ETag: etag }
  if (c.req.method === 'GET' || c.req.method === 'HEAD') {
    // Caches may keep an answer but must ask whether it still holds; shared ones may not: it has personal data.
    all['Cache-Control'] = 'private, no-cache'
    const known = c.req.header('If-None-Match')
    if (known !== undefined && matches(known, etag)) return answer(c, new Response(null, { status: 304, headers: all }))
  }
  all['Content-Type'] = 'application/hal+json'
  return answer(c, new Response(body, { status, headers: all }))
}

/** Answers with a problem (RFC 9457). */
export function sendProblem(c: Context<{ Variables: Variables }>, { status, headers, details }: Problem): Response {
  const all = { ...envelope(c), ...headers, 'Content-Type': 'application/problem+json' }
  return answer(c, new Response(JSON.stringify({ ...details, instance: c.req.path }), { status, headers: all }))
}

/** Gives a response that was not made here what every response carries. */
export function finish(c: Context<{ Variables: Variables }>, response: Response): Response {
  if (response !== c.get('answer')) {
    for (const [name, value] of Object.entries(envelope(c))) response.headers.set(name, value)
  }
  return response
}

function envelope(c: Context<{ Variables: Variables }>): Record<string, string> {
  const headers: Record<string, string> = { 'X-Request-Id': c.get('requestId') }
  const position = c.get('position')
  if (position !== undefined) headers['Consistency-Token'] = consistencyToken(position)
  const wait = c.get('appliedWait')
  if (wait !== undefined) headers['Preference-Applied'] = `wait=${wait}`
  return headers
}

function answer(c: Context<{ Variables: Variables }>, response: Response): Response {
  c.set('answer', response)
  return response
}

/** `If-None-Match` with the weak comparison that RFC 9110 wants for it. A malformed field matches nothing. */
function matches(ifNoneMatch: string, etag: string): boolean {
  if (ifNoneMatch.trim() === '*') return true
  return entityTags.test(ifNoneMatch) && (ifNoneMatch.match(/"[^"]*"/g)?.includes(etag) ?? false)
}

/** A list, which may have empty elements (RFC 9110, 5.6.1). */
const entityTags = /^[\s,]*(?:W\/)?"[!#-~\x80-\xff]*"(?:\s*,[\s,]*(?:W\/)?"[!#-~\x80-\xff]*")*[\s,]*$/
