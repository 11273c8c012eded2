import { ErrorType, isCommandError } from '@eventstore/db-client'
import { status } from '@grpc/grpc-js'
import { AppendRefused, StoreUnavailable, StreamDeleted } from '../cqrs/event-store.ts'
import { type Precondition, PreconditionFailed, type Version } from '../cqrs/precondition.ts'

/** What an append that failed means for the caller: refusals are certain, everything else may have been appended. */
export function appendFailure(error: unknown, stream: string, expected: Precondition | undefined): Error {
  if (error instanceof StoreUnavailable) return error
  if (error instanceof Error && isCommandError(error)) {
    switch (error.type) {
      case ErrorType.WRONG_EXPECTED_VERSION:
        // Without a precondition, the store refuses only a repeated append that goes beyond what was appended.
        return new PreconditionFailed(stream, expected ?? 'exists', version(error.actualVersion))
      case ErrorType.STREAM_DELETED:
        return new StreamDeleted(stream)
      case ErrorType.NOT_LEADER:
        return new StoreUnavailable('the node is not the leader of its cluster', 'not-appended', { cause: error })
      case ErrorType.ACCESS_DENIED:
        return new AppendRefused(stream, 'access denied', { cause: error })
      case ErrorType.MAXIMUM_APPEND_SIZE_EXCEEDED:
        return new AppendRefused(stream, `more than ${error.maxAppendSize} bytes`, { cause: error })
    }
  }
  return unavailable(error, 'unknown')
}

/** The node that was asked has no say in this cluster now. The client goes to the one that has with its next call. */
export function isNotLeader(error: unknown): boolean {
  return error instanceof Error && isCommandError(error) && error.type === ErrorType.NOT_LEADER
}

/** The same failure, of an append whose outcome is not known. */
export function inDoubt(failure: StoreUnavailable): StoreUnavailable {
  return failure.outcome === 'unknown' ? failure : new StoreUnavailable(failure.reason, 'unknown', { cause: failure })
}

/** The store gave no reason: gRPC status 2. */
export function isUnknown(error: unknown): boolean {
  const cause = error instanceof StoreUnavailable ? error.cause : undefined
  return cause instanceof Error && isCommandError(cause) && cause.code === status.UNKNOWN
}

export function unavailable(error: unknown, outcome: 'unknown' | 'not-appended' = 'not-appended'): StoreUnavailable {
  if (error instanceof StoreUnavailable) return error
  return new StoreUnavailable(error instanceof Error ? error.message : String(error), outcome, { cause: error })
}

/** The client gives "no_stream" or a revision on one path, and raw negative numbers on the other. */
function version(actual: string | bigint): Version {
  return typeof actual === 'bigint' && actual >= 0n ? Number(actual) + 1 : 0
}
