/** What a filtered read or subscription of `$all` lets through. Prefixes are compared by ordinal. */
export type Filter =
  | { readonly on: 'stream' | 'type'; readonly prefixes: readonly string[] }
  | { readonly on: 'stream' | 'type'; readonly regex: string }

/** A filter as a condition on rows of the log, and as a test of an event in memory. Both accept the same events. */
export interface CompiledFilter {
  /** An SQL condition over the columns `stream` and `type`; `accepts(text)` in it stands for {@link regex}. */
  readonly sql: string
  readonly parameters: readonly (string | number)[]
  readonly regex: RegExp
  test(event: { readonly stream: string; readonly type: string }): boolean
}

/** What clients send to leave out system events; SQL can say it without a call into JavaScript. */
const NOT_SYSTEM = '^[^$].*'
const NOTHING = /$^/

/** @throws SyntaxError when a regex is not a valid JavaScript regular expression. */
export function compileFilter(filter: Filter): CompiledFilter {
  const { on } = filter
  if ('prefixes' in filter) {
    const { prefixes } = filter
    const conditions = prefixes.map(() => `substr(${on}, 1, ?) = ?`)
    return {
      sql: conditions.length === 0 ? 'false' : `(${conditions.join(' OR ')})`,
      parameters: prefixes.flatMap((prefix) => [[...prefix].length, prefix]),
      regex: NOTHING,
      test: (event) => prefixes.some((prefix) => event[on].startsWith(prefix)),
    }
  }
  const regex = new RegExp(filter.regex)
  const sql = filter.regex === NOT_SYSTEM ? `substr(${on}, 1, 1) NOT IN ('', '$')` : `accepts(${on})`
  return { sql, parameters: [], regex, test: (event) => regex.test(event[on]) }
}
