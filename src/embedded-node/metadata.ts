import { type Acl, parseAcl } from './acl.ts'
import { TOMBSTONE } from './decide.ts'

/** The parts of a stream's metadata that the server acts on. */
export interface StreamMetadata {
  /** Only the newest so many events are readable. */
  readonly maxCount?: number
  /** Only events of the last so many seconds are readable. */
  readonly maxAge?: number
  /** Only events from this revision on are readable; {@link TOMBSTONE}: the stream is soft-deleted. */
  readonly truncateBefore?: number
  /** Who may do what, on a node with users. */
  readonly acl?: Acl
}

export const NO_METADATA: StreamMetadata = {}

/** Only the newest metadata of a stream is readable, and a metastream has no metadata of its own. */
export const METASTREAM_METADATA: StreamMetadata = { maxCount: 1 }

export const isMetastream = (stream: string): boolean => stream.startsWith('$$')
export const metastreamOf = (stream: string): string => `$$${stream}`
export const originalOf = (metastream: string): string => metastream.slice(2)

export const isSoftDeleted = (metadata: StreamMetadata): boolean => metadata.truncateBefore === TOMBSTONE

/** The body of the metadata event that a soft delete writes. */
export const SOFT_DELETE_BODY = Buffer.from('{"$tb":9223372036854775807}')

/**
 * Reads a metadata document. As in EventStoreDB, one known key with a malformed value voids all of it, and a
 * value that means nothing (zero or less; for `$tb` less than zero) is ignored.
 */
export function parseMetadata(json: Uint8Array): StreamMetadata {
  const members = topLevelMembers(Buffer.from(json).toString('utf8'))
  if (members === undefined) return NO_METADATA
  const read: { maxCount?: number; maxAge?: number; truncateBefore?: number; acl?: Acl } = {}
  for (const [key, text] of members) {
    if (key === '$acl') {
      const acl = parseAcl(JSON.parse(text))
      if (acl === undefined) return NO_METADATA
      read.acl = acl
    }
    if (key === '$tmp' && text !== 'true' && text !== 'false') return NO_METADATA
    if (key !== '$maxCount' && key !== '$maxAge' && key !== '$tb' && key !== '$cacheControl') continue
    const value = integer(text)
    if (value === undefined) return NO_METADATA
    if ((key === '$maxAge' || key === '$cacheControl') && !isTimeSpan(value)) return NO_METADATA
    if (key === '$maxCount') assign(read, 'maxCount', value > 0n ? value : undefined)
    if (key === '$maxAge') assign(read, 'maxAge', value > 0n ? value : undefined)
    if (key === '$tb') assign(read, 'truncateBefore', value >= 0n ? value : undefined)
  }
  return read
}

/** Whether the bytes are a JSON object, as the metadata of a stream has to be. */
export const isMetadataDocument = (json: Uint8Array): boolean =>
  topLevelMembers(Buffer.from(json).toString('utf8')) !== undefined

/** The same document with `$tb` set to a revision, or undefined when it is no JSON object. */
export function withTruncateBefore(json: Uint8Array, revision: number): Buffer | undefined {
  const members = topLevelMembers(Buffer.from(json).toString('utf8'))
  if (members === undefined) return undefined
  members.set('$tb', String(revision))
  const text = [...members].map(([key, value]) => `${JSON.stringify(key)}:${value}`).join(',')
  return Buffer.from(`{${text}}`)
}

/** The lowest revision that metadata leaves readable. */
export function firstReadable(metadata: StreamMetadata, last: number): number {
  const byCount = metadata.maxCount === undefined ? 0 : last - metadata.maxCount + 1
  return Math.max(0, byCount, metadata.truncateBefore ?? 0)
}

/** The oldest creation time, in microseconds since the Unix epoch, that metadata leaves readable. */
export function oldestReadable(metadata: StreamMetadata, nowMicros: number): number {
  return metadata.maxAge === undefined ? 0 : nowMicros - metadata.maxAge * 1e6
}

const MAX_INT64 = 2n ** 63n - 1n
/** .NET's TimeSpan ends here. */
const MAX_SECONDS = 922_337_203_685n

function assign<K extends string>(target: Partial<Record<K, number>>, key: K, value: bigint | undefined): void {
  if (value === undefined) delete target[key]
  else target[key] = Number(value)
}

/** An integer token of 64 bits; a fraction, an exponent or anything larger is malformed. */
function integer(text: string): bigint | undefined {
  if (!/^-?\d+$/.test(text)) return undefined
  const value = BigInt(text)
  return value > MAX_INT64 || value < -MAX_INT64 - 1n ? undefined : value
}

const isTimeSpan = (seconds: bigint): boolean => seconds <= MAX_SECONDS && seconds >= -MAX_SECONDS

/**
 * The members of a JSON object with their values as they are written: `$tb` of a soft-deleted stream, 2^63−1, is no
 * JavaScript number. Of a repeated key the last value counts. Undefined when the text is no JSON object.
 */
function topLevelMembers(text: string): Map<string, string> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  } catch {
    return undefined
  }
  const members = new Map<string, string>()
  let depth = 0
  let key: string | undefined
  let start = 0
  for (const { 0: token, index } of text.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\],:]/gs)) {
    if (depth === 1 && (token === ',' || token === '}') && key !== undefined) {
      members.set(key, text.slice(start, index).trim())
      key = undefined
    }
    if (token === '{' || token === '[') depth++
    else if (token === '}' || token === ']') depth--
    else if (depth === 1 && token === ':' && start >= 0) start = index + 1
    else if (depth === 1 && key === undefined && token.startsWith('"')) {
      key = String(JSON.parse(token))
    }
  }
  return members
}
