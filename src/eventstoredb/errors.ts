import { ErrorType, isCommandError } from '@eventstore/db-client'
import { PreconditionFailed, StoreUnavailable, StreamDeleted, type Precondition } from '../cqrs/event-store.ts'

/** What an append that failed means for the caller: refusals are certain, everything else may have been appended. */
export function appendFailure(error: unknown, stream: string, expected: Precondition): Error {
  if (error instanceof StoreUnavailable) return error
  if (error instanceof Error && isCommandError(error)) {
    switch (error.type) {
      case ErrorType.WRONG_EXPECTED_VERSION:
        return new PreconditionFailed(stream, expected, lastNumber(error.actualVersion))
      case ErrorType.STREAM_DELETED:
        return new StreamDeleted(stream)
      case ErrorType.NOT_LEADER:
        return new StoreUnavailable('the node is not the leader of its cluster', 'not-appended', { cause: error })
      case ErrorType.ACCESS_DENIED:
        return new StoreUnavailable('access denied', 'not-appended', { cause: error })
      case ErrorType.MAXIMUM_APPEND_SIZE_EXCEEDED:
        return new StoreUnavailable(`larger than ${error.maxAppendSize} bytes`, 'not-appended', { cause: error })
    }
  }
  return unavailable(error, 'unknown')
}

export function unavailable(error: unknown, outcome: 'unknown' | 'not-appended' = 'not-appended'): StoreUnavailable {
  if (error instanceof StoreUnavailable) return error
  return new StoreUnavailable(error instanceof Error ? error.message : String(error), outcome, { cause: error })
}

/** The client gives "no_stream" or a revision on one path, and raw negative numbers on the other. */
function lastNumber(actual: string | bigint): number {
  return typeof actual === 'bigint' && actual >= 0n ? Number(actual) + 1 : 0
}
