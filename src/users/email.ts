import { domainToASCII } from 'node:url'

/**
 * The one spelling that stands for all spellings of an email address that reach one mailbox by the common rules:
 *
 * 1. White space around the address is dropped.
 * 2. The part before the `@` is case-folded (Unicode default full case folding) and normalised to NFC, by the rule for
 *    canonical caseless matching (Unicode Standard, definition D145).
 * 3. The domain becomes lower-case ASCII (IDNA as browsers do it: UTS #46 through the WHATWG URL Standard).
 *
 * | typed | canonical |
 * | --- | --- |
 * | `  Ada@Example.COM ` | `ada@example.com` |
 * | `JOSÉ@example.com`, composed or not | `josé@example.com` |
 * | `Straße@Bücher.de`, `STRASSE@xn--bcher-kva.de` | `strasse@xn--bcher-kva.de` |
 * | `ΝΙΚΟΣ@example.gr`, `νικος@example.gr` | `νικοσ@example.gr` |
 * | `ada+news@example.com`, `a.da@example.com` | themselves: what a provider does with `+` and `.` is no common rule |
 *
 * Refused: quoted local parts, IP literals, domains of one label, and anything above 254 characters (code points), as
 * typed without the white space or in canonical form. RFC 5321's 64 octets for the local part are not enforced: there
 * are mail systems that take more.
 *
 * The result is idempotent, and safe as a part of a stream name: it has no white space, no control, format or
 * unassigned characters, and at most 254 characters (1,016 bytes of UTF-8). Unassigned characters are refused because
 * only assigned ones keep their case folding and normal form in every later version of Unicode.
 */
export function canonicalEmail(typed: string): string | InvalidEmail {
  const address = typed.trim()
  if (address === '') return new InvalidEmail('must not be empty')
  if (characters(address.normalize('NFC')) > maxCharacters) return new InvalidEmail(tooLong)
  if (/\p{Cc}/u.test(address)) return new InvalidEmail('must not contain control characters')
  const at = address.lastIndexOf('@')
  if (at === -1) return new InvalidEmail('must contain an @, as in ada@example.com')

  const local = canonicalLocalPart(address.slice(0, at))
  if (local instanceof InvalidEmail) return local
  const domain = canonicalDomain(address.slice(at + 1))
  if (domain instanceof InvalidEmail) return domain

  const canonical = `${local}@${domain}`
  return characters(canonical) > maxCharacters ? new InvalidEmail(tooLong) : canonical
}

/** The text is not an email address that Rollbook takes. */
export class InvalidEmail extends Error {
  override readonly name = 'InvalidEmail'
  /** Completes the sentence "the email …". */
  readonly reason: string

  constructor(reason: string) {
    super(`the email ${reason}`)
    this.reason = reason
  }
}

const maxCharacters = 254
const tooLong = `must have at most ${maxCharacters} characters`

/** RFC 5322's `atext`, and what RFC 6531 adds to it. */
const localPartCharacters = /^(?:[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~.]|[^\p{ASCII}\p{C}\p{Z}])*$/u

function canonicalLocalPart(typed: string): string | InvalidEmail {
  const local = caseFold(typed.normalize('NFD')).normalize('NFC')
  if (local === '') return new InvalidEmail('must have something before the @')
  if (local.includes('@')) return new InvalidEmail('must contain one @ only')
  if (local.startsWith('"')) return new InvalidEmail('must not have a quoted part before the @')
  if (!localPartCharacters.test(local)) {
    return new InvalidEmail(
      "must have only letters, digits and !#$%&'*+-/=?^_`{|}~. before the @: it is one address, without a name",
    )
  }
  if (/^\.|\.\.|\.$/.test(local)) {
    return new InvalidEmail('must not have a dot at the beginning, at the end or after another dot before the @')
  }
  return local
}

function canonicalDomain(typed: string): string | InvalidEmail {
  if (typed.startsWith('[')) return new InvalidEmail('must have a domain name after the @, not an IP address')
  // domainToASCII parses the host of a URL: it would cut off a path or port, decode %41 and read 0x7f.1 as an address.
  if (/[^\P{ASCII}A-Za-z0-9.-]/u.test(typed)) {
    return new InvalidEmail('must have only letters, digits, hyphens and dots after the @')
  }
  const domain = domainToASCII(typed)
  if (domain === '') return new InvalidEmail('must have a valid domain name after the @')
  const labels = domain.split('.')
  if (labels.length < 2)
    return new InvalidEmail('must have a domain name with a dot after the @, as in ada@example.com')
  if (!labels.every((label) => /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(label))) {
    return new InvalidEmail(
      'must have a domain of labels of 1 to 63 letters, digits and inner hyphens, separated by single dots, after the @',
    )
  }
  if (/^\d+$/.test(labels.at(-1) ?? '')) {
    return new InvalidEmail('must have a domain name after the @, not an IP address')
  }
  return domain
}

/**
 * Unicode default full case folding (CaseFolding.txt, statuses C and F), character by character so that no character
 * depends on its neighbours (a final sigma is a sigma). The dotless ı folds to itself, though its capital is I.
 */
function caseFold(text: string): string {
  if (/^\p{ASCII}*$/u.test(text)) return text.toLowerCase()
  return Array.from(text, (character) =>
    character === 'ı' ? character : character.toLowerCase().toUpperCase().toLowerCase(),
  ).join('')
}

function characters(text: string): number {
  return text.length <= maxCharacters ? text.length : Array.from(text).length
}
