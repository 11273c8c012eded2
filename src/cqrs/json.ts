import type { JsonObject } from './event.ts'

/**
 * JSON for data that JSON cannot hold. Plain JSON data stays as it is. Values that JSON has no form for become objects
 * with one member, whose name starts with `$`:
 *
 * - bigint: `{ "$bigint": "-12" }`
 * - Date: `{ "$date": "2026-01-31T12:00:00.000Z" }`
 * - Uint8Array: `{ "$binary": "<base64>" }`
 * - NaN, Infinity, -Infinity, -0: `{ "$number": "NaN" }`
 * - an object that looks like one of these: `{ "$object": { … } }`
 *
 * Members that are undefined are left out, as `JSON.stringify` does.
 *
 * @throws {NotStorable} a function, a symbol, an invalid Date, undefined in an array, an instance of a class, a circle
 */
export function toJson(value: unknown): unknown {
  return encode(value, [])
}

/** @throws {NotStorable} the data of an event is a JSON object at its top. */
export function toJsonObject(value: unknown): JsonObject {
  const json = toJson(value)
  if (!isPlainObject(json) || !isPlainObject(value)) throw new NotStorable(value, [])
  return json
}

/** What {@link toJson} was given. Instances of Uint8Array come back as such, not as Buffer. */
export function fromJson(json: unknown): unknown {
  return hasTags(json) ? revive(json) : json
}

/** A value that has no form in JSON. */
export class NotStorable extends Error {
  override readonly name = 'NotStorable'
  /** Where it is in the data: names of members and indices, outermost first. */
  readonly path: readonly (string | number)[]

  constructor(value: unknown, path: readonly (string | number)[]) {
    const what = typeof value === 'object' && value !== null ? (value.constructor?.name ?? 'object') : typeof value
    super(
      `${what} at /${path.join('/')} cannot be stored: allowed are JSON, bigint, Date and Uint8Array, in plain objects`,
    )
    this.path = path
  }
}

const tags = ['$bigint', '$date', '$binary', '$number', '$object'] as const

/** Deeper data is taken for a circle. */
const MAX_DEPTH = 500

function encode(value: unknown, path: readonly (string | number)[]): unknown {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value
  if (typeof value === 'number')
    return isJsonNumber(value) ? value : { $number: Object.is(value, -0) ? '-0' : `${value}` }
  if (typeof value === 'bigint') return { $bigint: `${value}` }
  if (path.length > MAX_DEPTH) throw new NotStorable(value, path.slice(0, 8))
  if (value instanceof Date && !Number.isNaN(value.getTime())) return { $date: value.toISOString() }
  if (value instanceof Uint8Array) return { $binary: Buffer.from(value).toString('base64') }
  if (Array.isArray(value)) return mapArray(value, (item, index) => encode(item, [...path, index]))
  if (!isPlainObject(value)) throw new NotStorable(value, path)
  const json = mapObject(value, (member, name) => encode(member, [...path, name]))
  return soleMember(json) === undefined ? json : { $object: json }
}

/** Most data has none, and need not be copied: replays decode every event. */
function hasTags(json: unknown): boolean {
  if (typeof json !== 'object' || json === null) return false
  if (Array.isArray(json)) return json.some(hasTags)
  const names = Object.keys(json)
  return (names.length === 1 && names[0]?.startsWith('$')) || Object.values(json).some(hasTags)
}

function revive(json: unknown): unknown {
  if (Array.isArray(json)) return mapArray(json, revive)
  if (!isPlainObject(json)) return json
  const tagged = soleMember(json)
  if (tagged === undefined) return mapObject(json, revive)
  const [tag, content] = tagged
  if (tag === '$object') return isPlainObject(content) ? mapObject(content, revive) : json
  if (typeof content !== 'string') return json
  switch (tag) {
    case '$bigint':
      return /^-?\d+$/.test(content) ? BigInt(content) : json
    case '$date':
      return Number.isNaN(Date.parse(content)) ? json : new Date(content)
    case '$binary':
      return Uint8Array.from(Buffer.from(content, 'base64'))
    case '$number':
      return Number(content)
  }
}

const isJsonNumber = (value: number) => Number.isFinite(value) && !Object.is(value, -0)

function isPlainObject(value: unknown): value is JsonObject {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

/** The only member of a tagged value. */
function soleMember(json: JsonObject): [(typeof tags)[number], unknown] | undefined {
  const [name, ...others] = Object.keys(json)
  if (name === undefined || others.length > 0) return undefined
  const tag = tags.find((tag) => tag === name)
  return tag && [tag, json[tag]]
}

/** Holes too are undefined items. */
function mapArray(items: readonly unknown[], change: (item: unknown, index: number) => unknown): unknown[] {
  return Array.from(items, change)
}

/** `fromEntries`, because assigning a member called `__proto__` would change the prototype. */
function mapObject(object: JsonObject, change: (member: unknown, name: string) => unknown): JsonObject {
  const kept = Object.entries(object).filter(([, member]) => member !== undefined)
  return Object.fromEntries(kept.map(([name, member]) => [name, change(member, name)]))
}
