import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto'

/**
 * A password's scrypt hash in the PHC string format: `$scrypt$ln=14,r=8,p=5$<salt>$<hash>`, both in base64 without padding
 * (https://github.com/P-H-C/phc-string-format/blob/master/phc-sf-spec.md).
 */
export interface PasswordHash {
  /** The binary logarithm of scrypt's N. */
  readonly ln: number
  readonly r: number
  readonly p: number
  readonly salt: Buffer
  readonly hash: Buffer
}

/**
 * One of the equivalent settings of the OWASP Password Storage Cheat Sheet, with 16 MiB for a verification.
 * https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html#scrypt
 */
const PARAMETERS = { ln: 14, r: 8, p: 5 }
const SALT_BYTES = 16
const HASH_BYTES = 32

/** What a verification may take: a users file must not be able to exhaust the machine. */
const MAX_MEMORY = 128 * 1024 * 1024
const LIMITS = { ln: { min: 10, max: 20 }, r: { min: 1, max: 32 }, p: { min: 1, max: 16 } }

export const HASH_RULE = `a scrypt hash looks like $scrypt$ln=14,r=8,p=5$<salt>$<hash>, with ln from ${LIMITS.ln.min} to ${LIMITS.ln.max}, r to ${LIMITS.r.max}, p to ${LIMITS.p.max} and 128 MiB at most`

/** Hashes a password, in the format of {@link PasswordHash}. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(SALT_BYTES)
  const hash = await derive(password, { ...PARAMETERS, salt }, HASH_BYTES)
  const { ln, r, p } = PARAMETERS
  return `$scrypt$ln=${ln},r=${r},p=${p}$${unpadded(salt)}$${unpadded(hash)}`
}

/** Undefined when the text is no such hash, or one that would take too much memory. */
export function parseHash(text: string): PasswordHash | undefined {
  const parts = /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/.exec(text)
  if (parts === null) return undefined
  const [ln = 0, r = 0, p = 0] = parts.slice(1, 4).map(Number)
  const [salt = Buffer.alloc(0), hash = Buffer.alloc(0)] = parts.slice(4).map((part) => Buffer.from(part, 'base64'))
  const isWithin = (value: number, { min, max }: { min: number; max: number }) => value >= min && value <= max
  if (!isWithin(ln, LIMITS.ln) || !isWithin(r, LIMITS.r) || !isWithin(p, LIMITS.p)) return undefined
  if (128 * 2 ** ln * r > MAX_MEMORY || salt.length < 8 || hash.length < 16) return undefined
  return { ln, r, p, salt, hash }
}

/** Runs in libuv's thread pool, and takes as long for a wrong password as for the right one. */
export async function isPassword(password: string, expected: PasswordHash): Promise<boolean> {
  const hash = await derive(password, expected, expected.hash.length)
  return timingSafeEqual(hash, expected.hash)
}

function derive(password: string, { ln, r, p, salt }: Omit<PasswordHash, 'hash'>, length: number): Promise<Buffer> {
  const N = 2 ** ln
  // OpenSSL counts the work area of each of the p runs as well.
  const options = { N, r, p, maxmem: 128 * r * (N + p + 2) + 1024 }
  return new Promise((resolve, reject) => {
    scrypt(password, salt, length, options, (error, hash) => (error === null ? resolve(hash) : reject(error)))
  })
}

const unpadded = (bytes: Buffer): string => bytes.toString('base64').replace(/=+$/, '')
