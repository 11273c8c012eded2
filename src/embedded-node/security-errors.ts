/** The node would be open to other machines with no password, or with passwords that can be overheard. */
export class UnsafeAddress extends Error {
  override readonly name = 'UnsafeAddress'
  readonly host: string

  constructor(host: string) {
    super(`${host} can be reached from other machines: that takes TLS and users. Without them, listen on 127.0.0.1`)
    this.host = host
  }
}

/** Clients do not send passwords over connections that are not encrypted. */
export class UsersWithoutTls extends Error {
  override readonly name = 'UsersWithoutTls'
  readonly file: string

  constructor(file: string) {
    super(`${file} names users, and users take TLS: give a certificate and its key`)
    this.file = file
  }
}

/** A certificate or a private key that cannot be used, or not together. */
export class UnusableTlsFile extends Error {
  override readonly name = 'UnusableTlsFile'
  readonly part: 'certificate' | 'key'
  readonly file: string
  readonly reason: string

  constructor(part: 'certificate' | 'key', file: string, reason: string) {
    super(`${file} cannot be used as the ${part} for TLS: ${reason}`)
    this.part = part
    this.file = file
    this.reason = reason
  }
}

/** `line` counts from 1; undefined where the file as a whole is the matter. */
export class UnusableUsersFile extends Error {
  override readonly name = 'UnusableUsersFile'
  readonly file: string
  readonly line: number | undefined
  readonly reason: string

  constructor(file: string, line: number | undefined, reason: string) {
    super(`${file}${line === undefined ? '' : `, line ${line}`} cannot be used as users: ${reason}`)
    this.file = file
    this.line = line
    this.reason = reason
  }
}
