import type { EventNumber } from './event.ts'

/**
 * Number of the last event applied to an aggregate; {@link initialVersion} where there was none. Versions of one
 * stream are ordered, and their difference is the number of events between them.
 */
export type Version = EventNumber | typeof initialVersion

export const initialVersion = 0

/**
 * What must be true of a stream for a command to run or an append to be accepted: it has no events, it has some, or
 * its last event has exactly this number ({@link initialVersion} is the same as `new`).
 */
export type Precondition = 'new' | 'exists' | { readonly version: Version }

/**
 * The check that the store makes again, atomically with the append.
 *
 * @throws {PreconditionFailed}
 */
export function verify(precondition: Precondition | undefined, stream: string, actual: Version): void {
  if (precondition !== undefined && !holds(precondition, actual)) {
    throw new PreconditionFailed(stream, precondition, actual)
  }
}

function holds(precondition: Precondition, actual: Version): boolean {
  if (precondition === 'new') return actual === initialVersion
  if (precondition === 'exists') return actual !== initialVersion
  return actual === precondition.version
}

/** The stream was not as expected; nothing was appended. */
export class PreconditionFailed extends Error {
  override readonly name = 'PreconditionFailed'
  readonly stream: string
  readonly expected: Precondition
  readonly actual: Version

  constructor(stream: string, expected: Precondition, actual: Version) {
    const wanted = typeof expected === 'string' ? expected : `at version ${expected.version}`
    super(`stream ${stream} was expected to be ${wanted}, but is at version ${actual}`)
    this.stream = stream
    this.expected = expected
    this.actual = actual
  }
}
