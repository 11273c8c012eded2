import { type CompiledFilter, compileFilter, type Filter } from './filter.ts'
import { MalformedRegex, UnsupportedRegex } from './regex.ts'
import { badArgument, handlerThrew } from './status.ts'

const MAX_PREFIXES = 1_000
/** A subscription keeps them for as long as it lasts. */
const MAX_PREFIX_CHARACTERS = 65_536

interface Expression {
  getRegex(): string
  getPrefixList(): string[]
}

/** A filter as requests have it: those of reads and of persistent subscriptions are alike. */
export interface FilterOptions {
  hasEventType(): boolean
  getEventType(): Expression | undefined
  getStreamIdentifier(): Expression | undefined
}

/** `missing` is the text for a filter that says nothing. @throws Failure */
export function parseFilter(options: FilterOptions, missing: string): { filter: Filter; compiled: CompiledFilter } {
  const on = options.hasEventType() ? 'type' : 'stream'
  const expression = options.getEventType() ?? options.getStreamIdentifier()
  if (expression === undefined) throw badArgument(missing)
  const regex = expression.getRegex()
  const prefixes = expression.getPrefixList()
  if (prefixes.length > MAX_PREFIXES) {
    throw badArgument(`A filter may have at most ${MAX_PREFIXES} prefixes, not ${prefixes.length}`)
  }
  const characters = prefixes.reduce((sum, prefix) => sum + prefix.length, 0)
  if (characters > MAX_PREFIX_CHARACTERS) {
    throw badArgument(
      `The prefixes of a filter may have at most ${MAX_PREFIX_CHARACTERS} characters, not ${characters}`,
    )
  }
  const filter: Filter = regex === '' ? { on, prefixes } : { on, regex }
  try {
    return { filter, compiled: compileFilter(filter) }
  } catch (error) {
    if (error instanceof MalformedRegex) throw handlerThrew()
    throw error instanceof UnsupportedRegex ? badArgument(error.message) : error
  }
}
