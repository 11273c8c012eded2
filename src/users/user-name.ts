/** A grapheme may be of any size: this many UTF-16 code units (at most 12,288 bytes of UTF-8) fit every request body. */
const maxCodeUnits = 4096
const maxCharacters = 255

const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' })

/** What a user is called: kept as typed, without the white space around it. */
export function userName(typed: string): string | InvalidUserName {
  const name = typed.trim()
  if (/^[\p{Default_Ignorable_Code_Point}\p{Z}]*$/u.test(name)) return new InvalidUserName('must not be empty')
  if (/[\p{Cc}\u2028\u2029]/u.test(name)) return new InvalidUserName('must not contain control characters')
  if (/\p{Cs}/u.test(name)) return new InvalidUserName('must be well-formed Unicode: it has half of a surrogate pair')
  if (name.length > maxCodeUnits || (name.length > maxCharacters && countCharacters(name) > maxCharacters)) {
    return new InvalidUserName(`must have at most ${maxCharacters} characters, and ${maxCodeUnits} UTF-16 code units`)
  }
  return name
}

/**
 * Characters as users count them: grapheme clusters (Unicode Standard Annex #29), so that an emoji or a letter with its
 * accents is one.
 */
export function countCharacters(text: string): number {
  let count = 0
  for (const _ of graphemes.segment(text)) count++
  return count
}

export class InvalidUserName extends Error {
  override readonly name = 'InvalidUserName'
  /** Completes the sentence "the name …". */
  readonly reason: string

  constructor(reason: string) {
    super(`the name ${reason}`)
    this.reason = reason
  }
}
