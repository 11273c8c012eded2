import { RE2JS } from 're2js'
import { filterTooCostly } from './status.ts'

/** Characters of an expression. */
const MAX_LENGTH = 4_096
/** Parts of an expression, counted as often as it repeats them. */
const MAX_PARTS = 1_000
/** Parts times characters that one match may look at: about 100 ms. */
const MAX_WORK = 4_096_000

const ALLOWED =
  'allowed are literals, classes, groups, alternatives, repetitions up to 1,000, the anchors ^ $ \\A \\z \\Z \\b \\B and the flags i and s'

/** An expression that .NET would refuse too. */
export class MalformedRegex extends Error {
  override readonly name = 'MalformedRegex'
}

/** An expression that .NET would take and this node does not. */
export class UnsupportedRegex extends Error {
  override readonly name = 'UnsupportedRegex'
  readonly reason: string

  constructor(expression: string, reason: string) {
    const start = [...expression.slice(0, 400)].slice(0, 200).join('')
    const shown = start === expression ? expression : `${start}…`
    super(`The regular expression ${shown} is not supported: ${reason}; ${ALLOWED}`)
    this.reason = reason
  }
}

/**
 * Compiles a .NET regular expression for matching in linear time. Where RE2 means something else by the same text, it
 * is translated or refused. `\b` and `\B` know ASCII letters only, and `.` takes a character outside the basic plane as one.
 *
 * The match throws a Failure where it would take too long.
 *
 * @throws MalformedRegex, UnsupportedRegex
 */
export function compileRegex(expression: string): (text: string) => boolean {
  if (expression.length > MAX_LENGTH)
    throw new UnsupportedRegex(expression, `it is longer than ${MAX_LENGTH} characters`)
  const { text: translated, parts } = new Translation(expression)
  try {
    const compiled = RE2JS.compile(translated)
    return (text) => {
      if (text.length * parts > MAX_WORK) throw filterTooCostly(text)
      return compiled.test(text)
    }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    if (MALFORMED.test(reason)) throw new MalformedRegex(reason)
    throw new UnsupportedRegex(expression, reason.replace('error parsing regexp: ', ''))
  }
}

const MALFORMED =
  /missing closing|missing argument|unexpected \)|trailing backslash|invalid nested repetition|invalid repeat count: `\{(\d+),(?!\1\})|invalid character class range: `(?!\\p)/i

/** What .NET's shorthands hold; RE2's hold ASCII only. */
const SHORTHANDS: Readonly<Record<string, string>> = {
  d: '\\p{Nd}',
  w: '\\p{L}\\p{Mn}\\p{Nd}\\p{Pc}',
  s: '\\f\\n\\r\\t\\v\\x{85}\\p{Z}',
}

/** A repetition, an escape, the head of a group, or one character. */
const TOKEN =
  /\{(\d+)(?:,(\d*))?\}|\\u([\dA-Fa-f]{4})|\\(?:x\{[^}]*\}|[pP]\{[^}]*\}|.)|\(\?(?:<(\w+)>|'(\w+)'|[A-Za-z-]*[:)])|\(\?<?.?|./gsu

/** One walk over an expression: translates it, and adds up what it will compile to before it does. */
class Translation {
  readonly text: string
  readonly #expression: string
  #inClass = false
  #isClassEmpty = false
  /** Parts so far of each open group, the whole first; and of what a repetition would repeat. */
  readonly #open: number[] = []
  #parts = 0
  #last = 0

  constructor(expression: string) {
    this.#expression = expression
    let text = ''
    for (const match of expression.matchAll(TOKEN)) {
      text += this.#inClass ? this.#inside(match, text) : this.#outside(match)
      if (this.#parts > MAX_PARTS) this.#refuse(`it has more than ${MAX_PARTS} parts, repetitions counted`)
    }
    this.text = text
  }

  get parts(): number {
    return this.#parts
  }

  #outside([token, least, most, unit, name, quoted]: RegExpExecArray): string {
    if (least !== undefined) {
      const times = Math.max(Number(most === undefined || most === '' ? least : most), 1)
      this.#parts += this.#last * (times - 1)
      this.#last *= times
      return token
    }
    if (token === '(' || name !== undefined || quoted !== undefined || /^\(\?.*[:)]$/su.test(token)) {
      return this.#group(token, name ?? quoted)
    }
    if (token.startsWith('(?')) {
      if (!/^\(\?(?:[=!>#(]|<[=!\w])/u.test(token)) throw new MalformedRegex(`${token} begins no group`)
      this.#refuse(`it has a group that begins with ${token}`)
    }
    if (token === ')') {
      const inner = this.#parts
      this.#parts = (this.#open.pop() ?? 0) + inner
      this.#last = inner
      return token
    }
    this.#add(1)
    if (token === '[') this.#inClass = this.#isClassEmpty = true
    if (token === '$' || token === '\\Z') return '(?:\\n?\\z)'
    return this.#escape(token, unit, (characters) => `[${characters}]`)
  }

  #inside([token, , , unit]: RegExpExecArray, before: string): string {
    if (token === '[') {
      this.#isClassEmpty = false
      if (before.endsWith('-')) this.#refuse('it subtracts from a class')
      return '\\['
    }
    if (token === ']' && !this.#isClassEmpty) this.#inClass = false
    this.#isClassEmpty &&= token === '^' && before.endsWith('[')
    if (/^\\[DWS]$/u.test(token)) this.#refuse(`it has ${token} inside a class`)
    return this.#escape(token, unit, (characters) => characters)
  }

  #group(token: string, name: string | undefined): string {
    const flags = name === undefined && token !== '(' ? token.slice(2, -1) : ''
    if (/[^imnsx-]/u.test(flags)) throw new MalformedRegex(`${token} has an unknown flag`)
    if (/[mnx]/u.test(flags)) this.#refuse(`it has the flags ${flags}`)
    this.#add(1)
    if (token.endsWith(')')) return token
    this.#open.push(this.#parts)
    this.#parts = 0
    // What a group matched is not asked for.
    return flags === '' ? '(?:' : token
  }

  #escape(token: string, unit: string | undefined, asClass: (characters: string) => string): string {
    if (unit !== undefined) return `\\x{${unit}}`
    if (token === '\\e') return '\\x{1b}'
    if (token === '\\Q' || token === '\\E') throw new MalformedRegex(`${token} is no escape of .NET`)
    const letter = /^\\([dwsDWS])$/u.exec(token)?.[1]
    if (letter === undefined) return token
    const characters = SHORTHANDS[letter.toLowerCase()] ?? ''
    return letter === letter.toLowerCase() ? asClass(characters) : `[^${characters}]`
  }

  #add(parts: number): void {
    this.#parts += parts
    this.#last = parts
  }

  #refuse(reason: string): never {
    throw new UnsupportedRegex(this.#expression, reason)
  }
}
