import { ConfigError } from '../config.ts'
import { CannotListenOn, PortInUse } from '../embedded-node/errors.ts'
import { UnsafeAddress, UnusableTlsFile, UnusableUsersFile, UsersWithoutTls } from '../embedded-node/security-errors.ts'
import { CannotListen } from '../http/server.ts'

/** The error, with the variable that it comes from where it is about one. */
export function explained(error: unknown): unknown {
  if (error instanceof PortInUse) return new Error(`EMBEDDED_NODE_PORT=${error.port}: ${error.message}`)
  if (error instanceof CannotListenOn || error instanceof UnsafeAddress) {
    return new ConfigError('EMBEDDED_NODE_HOST', error.host, error.message)
  }
  if (error instanceof UnusableTlsFile) {
    return new ConfigError(`EMBEDDED_NODE_TLS_${error.part.toUpperCase()}`, error.file, error.message)
  }
  if (error instanceof UnusableUsersFile || error instanceof UsersWithoutTls) {
    return new ConfigError('EMBEDDED_NODE_USERS', error.file, error.message)
  }
  if (!(error instanceof CannotListen)) return error
  const { host, port, code, message } = error
  if (code === 'EADDRINUSE') return new Error(`PORT=${port}: ${message}`)
  if (code === 'EACCES') return new ConfigError('PORT', String(port), `a port that this user may open: ${message}`)
  return new ConfigError('HOST', host, `a name or an address of this machine: ${message}`)
}
