import { ConfigError } from '../config.ts'
import { StoreUnavailable } from '../cqrs/event-store.ts'
import { CannotListenOn, PortInUse } from '../embedded-node/errors.ts'
import { UnsafeAddress, UnusableTlsFile, UnusableUsersFile, UsersWithoutTls } from '../embedded-node/security-errors.ts'
import { refusalOf } from '../eventstoredb/refusal.ts'
import { CannotListen } from '../http/server.ts'
import { failures } from './failures.ts'

export interface Explanation {
  readonly exitCode: number
  /** One line. */
  readonly message: string
  readonly hint: string | undefined
}

/** What a person is told of an error, with the variable that it comes from where it is about one. */
export function explained(error: unknown): Explanation {
  const { exitCode = 1, what = '', hint } = failures.find((kind) => kind.is(error)) ?? {}
  const message =
    error instanceof StoreUnavailable && refusalOf(error) ? `${what}: ${error.reason}` : withVariable(error).message
  // What the libraries below say has line breaks, and ends with notes that were left empty.
  return { exitCode, message: message.replace(/\s+/g, ' ').replace(/[.:]? ?\.? ?Resolution note: ?$/, ''), hint }
}

function withVariable(error: unknown): Error {
  if (error instanceof PortInUse) return new Error(`EMBEDDED_NODE_PORT=${error.port}: ${error.message}`)
  if (error instanceof CannotListenOn) {
    const [variable, value] = /EACCES/.test(error.reason) ? ['PORT', String(error.port)] : ['HOST', error.host]
    return new ConfigError(`EMBEDDED_NODE_${variable}`, value, error.message)
  }
  if (error instanceof UnsafeAddress) return new ConfigError('EMBEDDED_NODE_HOST', error.host, error.message)
  if (error instanceof UnusableTlsFile) {
    return new ConfigError(`EMBEDDED_NODE_TLS_${error.part.toUpperCase()}`, error.file, error.message)
  }
  if (error instanceof UnusableUsersFile || error instanceof UsersWithoutTls) {
    return new ConfigError('EMBEDDED_NODE_USERS', error.file, error.message)
  }
  if (!(error instanceof CannotListen)) return error instanceof Error ? error : new Error(String(error))
  const { host, port, code, message } = error
  if (code === 'EADDRINUSE') return new Error(`PORT=${port}: ${message}`)
  if (code === 'EACCES') return new ConfigError('PORT', String(port), `a port that this user may open: ${message}`)
  return new ConfigError('HOST', host, `a name or an address of this machine: ${message}`)
}
