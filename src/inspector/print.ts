import { isUtf8 } from 'node:buffer'

export interface Printed {
  readonly text: string
  /** `text`: a string or bytes that are text, and not a JSON object or array. */
  readonly kind: 'json' | 'text' | 'binary'
  /** Whether something was left out. */
  readonly isCut: boolean
}

/** Deeper data is left out: with its indentation, it would take the square of its size. */
const MAX_DEPTH = 40

const CUT = '…'

/**
 * Data of an event for people: JSON with indentation, text as it is, bytes in hexadecimal. Takes time and memory in
 * the order of `maxLength` characters, whatever the data are.
 */
export function print(value: unknown, maxLength: number): Printed {
  if (typeof value === 'string') return plain(value, maxLength)
  if (!(value instanceof Uint8Array)) return json(value, maxLength)
  return isText(value) ? plain(utf8.decode(value.subarray(0, 4 * maxLength)), maxLength) : binary(value, maxLength)
}

/** On one line. */
export function preview(value: unknown, maxLength: number): string {
  const { text, isCut } = print(value, maxLength)
  const line = text.replaceAll(/\s+/g, ' ')
  return isCut && !line.endsWith(CUT) ? line + CUT : line
}

/**
 * Text whose every character can be seen: control characters, and those that turn the direction of what follows them,
 * would show other text than there is.
 */
export function visible(text: string): string {
  return text.replaceAll(/(?![\n\t\u200c\u200d])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, (character) =>
    character
      .split('')
      .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
      .join(''),
  )
}

const utf8 = new TextDecoder()

function plain(text: string, maxLength: number): Printed {
  const isCut = text.length > maxLength
  return { text: visible(isCut ? text.slice(0, maxLength) + CUT : text), kind: 'text', isCut }
}

/** UTF-8 without the control characters that text has not. */
function isText(bytes: Uint8Array): boolean {
  return isUtf8(bytes) && !bytes.some((byte) => byte < 0x20 && byte !== 0x09 && byte !== 0x0a && byte !== 0x0d)
}

const BYTES_PER_LINE = 16

function binary(bytes: Uint8Array, maxLength: number): Printed {
  const lines: string[] = []
  let length = 0
  for (let start = 0; start < bytes.length && length < maxLength; start += BYTES_PER_LINE) {
    const part = Buffer.from(bytes.subarray(start, start + BYTES_PER_LINE))
    const hex = (part.toString('hex').match(/../g) ?? []).join(' ').padEnd(3 * BYTES_PER_LINE - 1)
    const line = `${start.toString(16).padStart(6, '0')}  ${hex}  ${part.toString('latin1').replaceAll(/[^ -~]/g, '.')}`
    lines.push(line)
    length += line.length + 1
  }
  const isCut = lines.length * BYTES_PER_LINE < bytes.length
  return { text: [...lines, ...(isCut ? [CUT] : [])].join('\n'), kind: 'binary', isCut }
}

function json(value: unknown, maxLength: number): Printed {
  const parts: string[] = []
  let left = maxLength
  let isCut = false
  const put = (part: string) => {
    parts.push(part)
    left -= part.length
  }
  const leaveOut = () => {
    isCut = true
    put(CUT)
  }

  function putString(text: string): void {
    const room = Math.max(left, 0)
    put(JSON.stringify(text.length > room ? text.slice(0, room) + CUT : text))
    if (text.length > room) isCut = true
  }

  function putAll(entries: readonly (readonly [string | undefined, unknown])[], brackets: string, depth: number): void {
    const newLine = `\n${'  '.repeat(depth)}`
    put(brackets.charAt(0))
    for (const [index, [name, member]] of entries.entries()) {
      put(`${index === 0 ? '' : ','}${newLine}  `)
      if (left <= 0 || depth >= MAX_DEPTH) {
        leaveOut()
        break
      }
      if (name !== undefined) {
        putString(name)
        put(': ')
      }
      putValue(member, depth + 1)
    }
    put(entries.length === 0 ? brackets.charAt(1) : newLine + brackets.charAt(1))
  }

  function putValue(member: unknown, depth: number): void {
    if (typeof member === 'string') putString(member)
    else if (Array.isArray(member)) putAll(firstOf(member), '[]', depth)
    else if (typeof member === 'object' && member !== null) putAll(Object.entries(member), '{}', depth)
    else put(String(member))
  }

  /** No more than can be shown. */
  const firstOf = (array: readonly unknown[]) => array.slice(0, left + 1).map((item) => [undefined, item] as const)

  putValue(value, 0)
  return { text: visible(parts.join('')), kind: 'json', isCut }
}
