/** Special expected revisions, with the numbers EventStoreDB uses for them. */
export const Any = -2n
export const NoStream = -1n
export const StreamExists = -4n

/** A revision, or one of {@link Any}, {@link NoStream}, {@link StreamExists}. */
export type Expected = bigint

/** The expectation that a revision of the protocol stands for; 2^64−1 is no stream. Undefined: there is no such revision. */
export function toExpected(revision: bigint): Expected | undefined {
  if (revision === 2n ** 64n - 1n) return NoStream
  return revision < 2n ** 63n ? revision : undefined
}

/** The revision of a tombstone: 2^63−1 on the wire, 2^63 as a JavaScript number. */
export const TOMBSTONE = 2 ** 63

/** A revision as the protocol and texts have it. */
export const exactRevision = (revision: number): number | bigint => (revision >= TOMBSTONE ? 2n ** 63n - 1n : revision)

export interface StreamState {
  /** Last revision, −1 when the stream has no events, {@link TOMBSTONE} when it was tombstoned. */
  readonly last: number
  /** Last revision of the stream's metastream, −1 when it has none. */
  readonly lastMetadata: number
  readonly softDeleted: boolean
}

/** What the store remembers of events that were written before. */
export interface Memory {
  /** The first place where a recently written event id was seen. */
  recent(id: string): { readonly stream: string; readonly revision: number } | undefined
  /** The id of the event at a revision of the stream that is written to. */
  idAt(revision: number): string | undefined
}

export type Decision =
  | { readonly kind: 'append'; readonly undelete: boolean }
  | { readonly kind: 'replay'; readonly last: number }
  | { readonly kind: 'wrong-version'; readonly current: number }
  | { readonly kind: 'deleted' }

/**
 * Whether events with these ids may be written to the stream, were written before, or are refused. The order of the
 * checks is EventStoreDB's: tombstone, existence, idempotency, version.
 */
export function decideAppend(
  stream: string,
  expected: Expected,
  ids: readonly string[],
  state: StreamState,
  memory: Memory,
): Decision {
  const refused = decideExistence(expected, state)
  if (refused !== undefined) return refused
  const append: Decision = { kind: 'append', undelete: state.softDeleted }
  const wrongVersion: Decision = { kind: 'wrong-version', current: state.last }
  if (expected === Any || expected === StreamExists) {
    const revisions = ids.map((id) => {
      const seen = memory.recent(id)
      return seen?.stream === stream ? seen.revision : undefined
    })
    const firstNew = revisions.indexOf(undefined)
    if (firstNew === 0 || ids.length === 0) return append
    const last = revisions.at(-1)
    return firstNew > 0 || last === undefined ? wrongVersion : { kind: 'replay', last }
  }
  if (expected > state.last) return wrongVersion
  if (expected === BigInt(state.last)) return append
  const start = Number(expected) + 1
  const mismatch = ids.findIndex((id, index) => memory.idAt(start + index) !== id)
  if (mismatch === 0 && expected === NoStream && state.softDeleted) return append
  if (mismatch >= 0 || ids.length === 0) return wrongVersion
  return { kind: 'replay', last: start + ids.length - 1 }
}

/** Whether the stream may be deleted so that it can be written to again. */
export function decideDelete(stream: string, expected: Expected, state: StreamState): Decision {
  if (state.last < 0 && state.lastMetadata < 0) return { kind: 'wrong-version', current: state.last }
  return decideTombstone(stream, expected, state)
}

/** Whether the stream may be deleted for ever. */
export function decideTombstone(stream: string, expected: Expected, state: StreamState): Decision {
  return decideAppend(stream, expected, ['a new event'], state, NO_MEMORY)
}

const NO_MEMORY: Memory = { recent: () => undefined, idAt: () => undefined }

function decideExistence(expected: Expected, state: StreamState): Decision | undefined {
  if (state.last === TOMBSTONE) return { kind: 'deleted' }
  if (expected !== StreamExists) return undefined
  if (state.softDeleted) return { kind: 'deleted' }
  if (state.last < 0 && state.lastMetadata < 0) return { kind: 'wrong-version', current: state.last }
  return undefined
}
