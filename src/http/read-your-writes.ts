import type { Context } from 'hono'
import type { Position } from '../cqrs/event.ts'
import { HttpProblem } from './problem.ts'

export interface ReadModelProgress {
  /**
   * Resolves to true as soon as the read model has reached the position, to false after `timeoutMs` or when `signal`
   * is aborted.
   */
  reached(position: Position, timeoutMs: number, signal?: AbortSignal): Promise<boolean>
}

/** Seconds that a query waits for the read model where it does not say how long, and at most. */
const defaultWait = 5
const maxWait = 30

/**
 * Makes a query with a `Consistency-Token` wait until the read model has reached the token's position.
 *
 * @returns the seconds that were waited at most because of `Prefer: wait` (RFC 7240), for `Preference-Applied`
 * @throws {HttpProblem} malformed-consistency-token; read-model-behind where the time was up
 */
export async function readYourWrites(
  request: Context['req'],
  token: string,
  readModel: ReadModelProgress,
): Promise<number | undefined> {
  const position = parseToken(token)
  const preferred = preferredWait(request.header('Prefer'))
  const seconds = preferred ?? defaultWait
  if (!(await readModel.reached(position, seconds * 1000, request.raw.signal))) {
    throw new HttpProblem(
      'read-model-behind',
      `The read model did not reach the position of the Consistency-Token within ${seconds} seconds.`,
      { 'Retry-After': '1', ...(preferred !== undefined && { 'Preference-Applied': `wait=${preferred}` }) },
    )
  }
  return preferred
}

export function consistencyToken(position: Position): string {
  return String(position)
}

function parseToken(token: string): Position {
  const position = /^(?:0|[1-9]\d{0,15})$/.test(token) ? Number(token) : Number.NaN
  if (Number.isSafeInteger(position)) return position
  throw new HttpProblem(
    'malformed-consistency-token',
    'The Consistency-Token must be one that an earlier response carried.',
  )
}

/** The first `wait` among the preferences, limited to what is offered. One that is no number is ignored, as RFC 7240 wants. */
function preferredWait(prefer: string | undefined): number | undefined {
  for (const [preference] of prefer?.matchAll(/(?:"(?:[^"\\]|\\.)*"|[^",])+/g) ?? []) {
    const [, name, quoted, plain] = /^\s*([^\s=;]+)(?:\s*=\s*(?:"(\d+)"|(\d+)))?\s*(?:;|$)/.exec(preference) ?? []
    if (name?.toLowerCase() !== 'wait') continue
    const seconds = quoted ?? plain
    return seconds === undefined ? undefined : Math.min(Number(seconds), maxWait)
  }
  return undefined
}
