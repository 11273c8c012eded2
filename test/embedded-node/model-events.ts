import type { Filter } from '../recordings/group-operations.ts'
import type { Append, Json, ProposedEvent } from '../recordings/operations.ts'

type Expect = Append['expect']

/** What is in the log. `position` is the place in the order of all, from 1. */
export interface Stored {
  readonly stream: string
  readonly id: string
  readonly type: string
  /** Infinity: the tombstone. */
  readonly revision: number
  readonly json: boolean
  readonly data: Json
  readonly meta: Json
  readonly position: number
  /** Milliseconds. */
  readonly created: number
  /** Where a link leads, as far as a scenario can say: a stream of its own, or nowhere. */
  readonly link: { readonly revision: number; readonly stream: string } | 'nowhere' | undefined
  /** Whether it is the metadata that a soft delete writes: its `$tb` is no JavaScript number. */
  readonly softDelete: boolean
}

export interface Metadata {
  readonly maxCount?: number
  readonly maxAge?: number
  readonly truncateBefore?: number
}

/** A position in an outcome, until all are known and it becomes a rank. */
export class At {
  readonly position: number
  constructor(position: number) {
    this.position = position
  }
}

export function recorded({ stream, id, type, revision, json, data, meta, position }: Stored): unknown {
  const at = revision === Number.POSITIVE_INFINITY ? String(2n ** 63n - 1n) : String(revision)
  return { stream, id, type, revision: at, json, data, meta, position: new At(position) }
}

export type Content = Omit<Stored, 'stream' | 'revision' | 'position' | 'created'> & { readonly size: number }

/** What a proposed event holds. */
export function content(event: Partial<ProposedEvent> & { id: string }): Content {
  const { id, type = 't', data, meta, binary, chars, link, raw } = event
  const bytes =
    binary !== undefined
      ? Buffer.from(binary, 'base64')
      : link !== undefined
        ? Buffer.from(link.join('@'))
        : raw !== undefined
          ? Buffer.from(raw)
          : undefined
  const value: Json = chars === undefined ? (data ?? { n: 1 }) : 'x'.repeat(chars)
  const json = bytes === undefined
  const metaSize = meta === undefined ? 0 : Buffer.byteLength(JSON.stringify(meta))
  const shown: Json = json ? value : type === '$>' ? bytes.toString() : { base64: bytes.toString('base64') }
  return {
    id,
    type,
    json,
    data: shown,
    meta: meta ?? null,
    link: type === '$>' ? targetOf(link, raw) : undefined,
    softDelete: false,
    size: (json ? Buffer.byteLength(JSON.stringify(value)) : bytes.length) + metaSize + 2 * type.length,
  }
}

function targetOf(link: ProposedEvent['link'], raw: string | undefined): Stored['link'] {
  if (link !== undefined) return { revision: link[0], stream: link[1] }
  return raw !== undefined && /^\d+(@|$)/.test(raw) ? 'nowhere' : undefined
}

export const metadataEvent = (data: Json, softDelete = false): Content => ({
  ...content({ id: 'server', type: '$metadata' }),
  data,
  softDelete,
})

/** One malformed key voids the document; a value that means nothing is ignored. */
export function parseMetadata(document: Json): Metadata {
  if (typeof document !== 'object' || document === null || Array.isArray(document)) return {}
  const { $maxCount, $maxAge, $tb, $cacheControl, $acl, $tmp = false } = document
  const numbers = [$maxCount, $maxAge, $tb, $cacheControl].filter((value) => value !== undefined)
  const isInt64 = (value: unknown): boolean => Number.isInteger(value) && Math.abs(Number(value)) < 2 ** 63
  const isAcl = $acl === undefined || (typeof $acl === 'object' && $acl !== null && !Array.isArray($acl))
  const isTime = (value: unknown): boolean => value === undefined || Math.abs(Number(value)) <= 922_337_203_685
  if (!numbers.every(isInt64) || !isTime($maxAge) || !isTime($cacheControl)) return {}
  if (!isAcl || typeof $tmp !== 'boolean') return {}
  return {
    ...(Number($maxCount) > 0 ? { maxCount: Number($maxCount) } : {}),
    ...(Number($maxAge) > 0 ? { maxAge: Number($maxAge) } : {}),
    ...(Number($tb) >= 0 ? { truncateBefore: Number($tb) } : {}),
  }
}

/** `p` stands for the prefix that a scenario runs under. */
export function passes({ stream, type }: Stored, filter: Filter | undefined): boolean {
  const physical = (name: string): string => (isMeta(name) ? `$$p-${name.slice(2)}` : `p-${name}`)
  if (filter?.types !== undefined) return filter.types.some((prefix) => type.startsWith(prefix))
  if (filter?.typeRegex !== undefined) return new RegExp(filter.typeRegex).test(type)
  if (filter?.streams !== undefined) return filter.streams.some((name) => physical(stream).startsWith(physical(name)))
  if (filter?.streamRegex !== undefined) {
    return new RegExp(filter.streamRegex.replaceAll('{prefix}', 'p')).test(physical(stream))
  }
  return filter === undefined || !type.startsWith('$')
}

export const isMeta = (stream: string): boolean => stream.startsWith('$$')
export const numberOf = (expect: Expect): number =>
  expect === 'any' ? -2 : expect === 'no_stream' ? -1 : expect === 'exists' ? -4 : expect

export const deleted = (streamName: string): unknown => ({ error: 'stream-deleted', streamName })

/** The client gives the numbers of EventStoreDB, but for appends words where there are any. */
export const conflict = (streamName: string, expected: number, last: number): unknown => {
  return { error: 'wrong-expected-version', streamName, expectedVersion: String(expected), actualVersion: String(last) }
}

export const appendConflict = (streamName: string, expect: Expect, last: number): unknown => ({
  error: 'wrong-expected-version',
  streamName,
  expectedVersion: expect === 'exists' ? 'stream_exists' : String(expect),
  actualVersion: last < 0 ? 'no_stream' : String(last),
})

export function positionsIn(value: unknown): number[] {
  if (value instanceof At) return [value.position]
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(positionsIn) : []
}

export function ranked(value: unknown, positions: readonly number[]): Json {
  if (value instanceof At) return `P${positions.indexOf(value.position)}`
  if (Array.isArray(value)) return value.map((each) => ranked(each, positions))
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, ranked(each, positions)]))
  }
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value
  return null
}
