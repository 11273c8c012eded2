import { compileRegex } from './regex.ts'

/** What a filtered read or subscription of `$all` lets through. Prefixes are compared by ordinal. */
export type Filter =
  | { readonly on: 'stream' | 'type'; readonly prefixes: readonly string[] }
  | { readonly on: 'stream' | 'type'; readonly regex: string }

/** A filter as a condition on rows of the log, and as a test of an event in memory. Both accept the same events. */
export interface CompiledFilter {
  /** An SQL condition over the columns `position`, `stream` and `type`; `accepts(position, text)` in it stands for {@link accepts}. */
  readonly sql: string
  readonly parameters: readonly (string | number)[]
  accepts(text: string): boolean
  test(event: { readonly stream: string; readonly type: string }): boolean
}

/** What clients send to leave out system events; SQL can say it without a call into JavaScript. */
const NOT_SYSTEM = '^[^$].*'
/** Above that SQL is slower than a call into JavaScript, and cannot be interrupted. */
const MAX_SQL_PREFIXES = 16

/** @throws MalformedRegex, UnsupportedRegex */
export function compileFilter(filter: Filter): CompiledFilter {
  const { on } = filter
  const accepts = 'regex' in filter ? compileRegex(filter.regex) : startsWithOneOf(filter.prefixes)
  return { ...condition(filter), accepts, test: (event) => accepts(event[on]) }
}

function condition(filter: Filter): Pick<CompiledFilter, 'sql' | 'parameters'> {
  const { on } = filter
  if ('prefixes' in filter && filter.prefixes.length <= MAX_SQL_PREFIXES) {
    const { prefixes } = filter
    const sql = prefixes.length === 0 ? 'false' : `(${prefixes.map(() => `substr(${on}, 1, ?) = ?`).join(' OR ')})`
    return { sql, parameters: prefixes.flatMap((prefix) => [[...prefix].length, prefix]) }
  }
  const isNotSystem = 'regex' in filter && filter.regex === NOT_SYSTEM
  const sql = isNotSystem ? `substr(${on}, 1, 1) NOT IN ('', '$')` : `accepts(position, ${on})`
  return { sql, parameters: [] }
}

const startsWithOneOf =
  (prefixes: readonly string[]) =>
  (text: string): boolean =>
    prefixes.some((prefix) => text.startsWith(prefix))
