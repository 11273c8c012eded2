import { ErrorType, isCommandError } from '@eventstore/db-client'
import { status } from '@grpc/grpc-js'
import { AppendRefused, StoreUnavailable, StreamDeleted } from '../cqrs/event-store.ts'
import { type Precondition, PreconditionFailed, type Version } from '../cqrs/precondition.ts'

/**
 * What an append that failed means for the caller. What is certain is named; all else may have been appended.
 *
 * | the client's error | outcome |
 * | --- | --- |
 * | wrong expected version, stream deleted | refused: the answer to this append |
 * | access denied, append too large | refused for good: of the call before any append of it is read, or of this append |
 * | the store is busy, not ready, or knows no leader | not appended: the answer to this append |
 * | no connection, no node found | not appended: nothing was sent |
 * | not the leader | unknown: it ends the stream that all appends share, and only one of them was refused for it |
 * | time-out, aborted, cancelled, unavailable, unknown, anything else | unknown |
 */
export function appendFailure(error: unknown, stream: string, expected: Precondition | undefined): Error {
  if (error instanceof StoreUnavailable) return error
  if (error instanceof Error && isCommandError(error)) {
    switch (error.type) {
      case ErrorType.WRONG_EXPECTED_VERSION:
        // Without a precondition, the store refuses only a repeated append that goes beyond what was appended.
        return new PreconditionFailed(stream, expected ?? 'exists', version(error.actualVersion))
      case ErrorType.STREAM_DELETED:
        return new StreamDeleted(stream)
      case ErrorType.ACCESS_DENIED:
        return new AppendRefused(stream, 'access denied', { cause: error })
      case ErrorType.MAXIMUM_APPEND_SIZE_EXCEEDED:
        return new AppendRefused(stream, `more than ${error.maxAppendSize} bytes`, { cause: error })
    }
  }
  const isCertain = error instanceof Error && notAppended.some((text) => text.test(error.message))
  return unavailable(error, isCertain ? 'not-appended' : 'unknown')
}

/** All that these errors have is their text. One whose text changes is an unknown outcome, which is safe. */
const notAppended = [
  // EventStoreDB, in the name of the client that does not know them.
  /^Could not recognize (Server Is Busy|Server Is Not Ready|No leader info available in response)$/,
  // gRPC, and the client when no node of a cluster answers.
  /^14 UNAVAILABLE: No connection established/,
  /^Failed to discover after \d+ attempts\.$/,
]

/** The node that was asked has no say in this cluster now. The client goes to the one that has with its next call. */
export function isNotLeader(error: unknown): boolean {
  return error instanceof Error && isCommandError(error) && error.type === ErrorType.NOT_LEADER
}

/** The store says it of one append, over the stream that all of them share: what that ends with has a gRPC status. */
export function isAnswer(error: unknown): boolean {
  return error instanceof Error && isCommandError(error) && error.code === undefined
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
