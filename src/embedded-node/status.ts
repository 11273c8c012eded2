import { Metadata, type StatusObject, status } from '@grpc/grpc-js'
import { type Expected, TOMBSTONE } from './decide.ts'
import { reportFault } from './fault.ts'

/**
 * The gRPC statuses of EventStoreDB and the trailers that its clients recognise them by. Thrown inside the node; a call
 * that meets one ends with it.
 */
export class Failure extends Error {
  override readonly name = 'Failure'
  readonly status: Partial<StatusObject>

  constructor(code: status, details: string, trailers: Readonly<Record<string, string>> = {}) {
    super(details)
    const metadata = new Metadata()
    for (const [key, value] of Object.entries(trailers)) metadata.set(key, printable(value))
    this.status = { code, details, metadata }
  }
}

export const badArgument = (details: string): Failure => new Failure(status.INVALID_ARGUMENT, details)

/** That a message has none of the alternatives of a field; `type` is EventStoreDB's name of their type. */
export const noCase = (type: string): string => `'None' is not a valid ${type}`

/** What the real server answers when an argument makes one of its handlers throw. */
export const handlerThrew = (): Failure => new Failure(status.UNKNOWN, 'Exception was thrown by handler.')

export const shuttingDown = (): Failure => new Failure(status.UNAVAILABLE, 'The node is shutting down')

export const accessDenied = (): Failure =>
  new Failure(status.PERMISSION_DENIED, 'Access Denied', { exception: 'access-denied' })

export const serverNotReady = (why: string): Failure => new Failure(status.UNAVAILABLE, `Server Is Not Ready: ${why}`)

export function streamDeleted(stream: string): Failure {
  return new Failure(status.FAILED_PRECONDITION, `Event stream '${stream}' is deleted.`, {
    exception: 'stream-deleted',
    'stream-name': stream,
  })
}

/** Nobody may write to a computed stream. */
export function readOnlyStream(stream: string): Failure {
  return new Failure(status.PERMISSION_DENIED, readOnlyText(stream), { exception: 'access-denied' })
}

export const readOnlyText = (stream: string): string =>
  `Access Denied. Stream '${stream}' is computed by the server; it can be read only`

export function wrongExpectedVersion(stream: string, expected: Expected, current: number): Failure {
  const actual = current >= TOMBSTONE ? 2n ** 63n - 1n : BigInt(current)
  const details = `Delete failed due to WrongExpectedVersion. Stream: ${stream}, Expected version: ${expected}, Actual version: ${actual}`
  return new Failure(status.FAILED_PRECONDITION, details, {
    exception: 'wrong-expected-version',
    'stream-name': stream,
    'expected-version': String(expected),
    'actual-version': String(actual),
  })
}

/** As in EventStoreDB, `current` is the scavenge that does run. */
export function scavengeNotFound(current: string | undefined): Failure {
  return new Failure(status.NOT_FOUND, 'Scavenge id was invalid.', {
    exception: 'scavenge-not-found',
    'scavenge-id': current ?? '',
  })
}

export function maximumAppendSizeExceeded(limit: number): Failure {
  return new Failure(status.INVALID_ARGUMENT, `Maximum Append Size of ${limit} Exceeded.`, {
    exception: 'maximum-append-size-exceeded',
    'maximum-append-size': String(limit),
  })
}

export function missingMetadataProperty(name: string): Failure {
  return new Failure(status.INVALID_ARGUMENT, `Required Metadata Property '${name}' is missing`, {
    exception: 'missing-required-metadata-property',
    'required-metadata-properties': 'type,content-type',
  })
}

/** Bytes of the name of a stream or of a type, in UTF-8. Filters look at every one. */
export const MAX_NAME_BYTES = 65_536

export const isNameTooLong = (name: string): boolean =>
  name.length > MAX_NAME_BYTES || (name.length * 3 > MAX_NAME_BYTES && Buffer.byteLength(name) > MAX_NAME_BYTES)

export const nameTooLong = (what: string): string => `${what} may have at most ${MAX_NAME_BYTES} bytes`

/** A filter met a name that it would take too long to look through. */
export const filterTooCostly = (text: string): Failure =>
  new Failure(
    status.RESOURCE_EXHAUSTED,
    `The filter's regular expression is too large for a name of ${text.length} characters`,
  )

/** What went wrong as a status: a {@link Failure} says it, anything else is this node's own fault. */
export function toStatus(error: unknown): Partial<StatusObject> {
  if (error instanceof Failure) return error.status
  reportFault(error)
  const details = error instanceof Error ? error.message : String(error)
  const isDamage = error instanceof Error && error.name === 'CorruptLog'
  return { code: isDamage ? status.DATA_LOSS : status.UNKNOWN, details }
}

/** Trailers take printable ASCII only; the rest is percent-encoded. */
const printable = (value: string): string => value.replace(/[^ -~]/gu, encodeURIComponent)
