import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { BlockList, isIPv6 } from 'node:net'
import { UnsafeAddress, UnusableTlsFile, UsersWithoutTls } from './security-errors.ts'
import { readUsersFile, type UserEntry } from './users-file.ts'

export interface SecurityOptions {
  /** Name or address to listen on; default 127.0.0.1. One that other machines can reach takes `tls` and `users`. */
  readonly host?: string | undefined
  /** PEM files: the certificate, followed by those that it is signed with, and its private key, without passphrase. */
  readonly tls?: { readonly certificate: string; readonly key: string } | undefined
  /** A file of users; without it every caller may do everything. Takes `tls`. */
  readonly users?: string | undefined
}

/** What the files say, checked; it can be sent to another thread. */
export interface Security {
  readonly host: string
  /** In PEM. */
  readonly tls: { readonly certificate: string; readonly key: string } | undefined
  readonly users: readonly UserEntry[] | undefined
}

/**
 * Reads and checks everything before anything is opened. `warn` is told of secrets that others can read.
 *
 * @throws {UnsafeAddress | UsersWithoutTls | UnusableTlsFile | UnusableUsersFile}
 */
export function readSecurity(options: SecurityOptions, warn: (warning: string) => void): Security {
  const { host = '127.0.0.1', tls, users } = options
  if (users !== undefined && tls === undefined) throw new UsersWithoutTls(users)
  if (!isLoopback(host) && users === undefined) throw new UnsafeAddress(host)
  const security: Security = {
    host,
    tls: tls && readTls(tls.certificate, tls.key),
    users: users === undefined ? undefined : readUsersFile(users),
  }
  for (const file of [tls?.key, users]) {
    if (file !== undefined && isReadableByOthers(file)) {
      warn(`${file} can be read by other users of this machine: chmod 600 ${file}`)
    }
  }
  return security
}

/** `host:port` as URLs and grpc-js write it. */
export const endPoint = (host: string, port: number): string => `${isIPv6(host) ? `[${host}]` : host}:${port}`

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8, 'ipv4')
loopback.addAddress('::1', 'ipv6')

function isLoopback(host: string): boolean {
  return host === 'localhost' || loopback.check(host, isIPv6(host) ? 'ipv6' : 'ipv4')
}

function readTls(certificateFile: string, keyFile: string): { certificate: string; key: string } {
  const certificate = read('certificate', certificateFile, (pem) => {
    const parsed = new X509Certificate(pem)
    if (new Date(parsed.validTo) < new Date()) throw new Error(`it expired on ${parsed.validTo}`)
    return { pem, parsed }
  })
  const key = read('key', keyFile, (pem) => {
    if (certificate.parsed.checkPrivateKey(createPrivateKey(pem))) return pem
    throw new Error(`it does not belong to the certificate in ${certificateFile}`)
  })
  return { certificate: certificate.pem, key }
}

function read<T>(part: 'certificate' | 'key', file: string, parse: (pem: string) => T): T {
  try {
    return parse(readFileSync(file, 'utf8'))
  } catch (error) {
    const isParserFault = error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_OSSL')
    const what = part === 'certificate' ? 'certificate' : 'private key'
    const reason = error instanceof Error ? error.message : String(error)
    throw new UnusableTlsFile(part, file, isParserFault ? `it has no ${what} in PEM (${reason})` : reason)
  }
}

/** Windows has no such modes. */
const isReadableByOthers = (file: string): boolean =>
  process.platform !== 'win32' && (statSync(file).mode & 0o077) !== 0
