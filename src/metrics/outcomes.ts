import { Overloaded } from '../cqrs/command-limit.ts'
import { AppendRefused, StoreUnavailable, StreamDeleted } from '../cqrs/event-store.ts'
import { PreconditionFailed } from '../cqrs/precondition.ts'

/**
 * Why something was not appended, as the label `outcome` has it: `unknown` alone may have been; `failed` is a bug or an
 * event that is not what its type says.
 */
export type Refusal = 'refused' | 'conflict' | 'overloaded' | 'unavailable' | 'unknown' | 'failed'

export function refusalOf(error: unknown): Refusal {
  if (error instanceof PreconditionFailed) return 'conflict'
  if (error instanceof StreamDeleted || error instanceof AppendRefused) return 'refused'
  if (error instanceof Overloaded) return 'overloaded'
  if (error instanceof StoreUnavailable) return error.outcome === 'unknown' ? 'unknown' : 'unavailable'
  return 'failed'
}
