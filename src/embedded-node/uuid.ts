/** A UUID is kept as a lower-case hyphenated string in memory and as 16 bytes in the log. */
export const uuidToBytes = (uuid: string): Buffer => Buffer.from(uuid.replaceAll('-', ''), 'hex')

/** No event may have it. */
export const NIL_UUID = '00000000-0000-0000-0000-000000000000'

export function uuidFromBytes(bytes: Buffer): string {
  const hex = bytes.toString('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}

/** The halves of a UUID as the protocol's structured form has them, signed and big-endian. */
export function uuidToHalves(uuid: string): { most: bigint; least: bigint } {
  const bytes = uuidToBytes(uuid)
  return { most: bytes.readBigInt64BE(0), least: bytes.readBigInt64BE(8) }
}

export function uuidFromHalves(most: bigint, least: bigint): string {
  const bytes = Buffer.allocUnsafe(16)
  bytes.writeBigInt64BE(BigInt.asIntN(64, most), 0)
  bytes.writeBigInt64BE(BigInt.asIntN(64, least), 8)
  return uuidFromBytes(bytes)
}

const USUAL = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i
/** What .NET reads besides: without hyphens, or in braces or parentheses. */
const UNUSUAL = /^(?:([0-9a-f]{32})|\{([0-9a-f-]{36})\}|\(([0-9a-f-]{36})\))$/i

/** The canonical form of a UUID, or undefined when the text is none. */
export function normalizeUuid(text: string): string | undefined {
  if (USUAL.test(text)) return text.toLowerCase()
  const [, digits, inBraces, inParentheses] = UNUSUAL.exec(text.trim()) ?? []
  if (digits !== undefined) return uuidFromBytes(uuidToBytes(digits))
  const bare = inBraces ?? inParentheses ?? text.trim()
  return USUAL.test(bare) ? bare.toLowerCase() : undefined
}
