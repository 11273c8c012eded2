import { ConfigError } from '../config.ts'
import { PortInUse } from '../embedded-node/errors.ts'
import { CannotListen } from '../http/server.ts'

/** The error, with the variable that it comes from where it is about a host or a port. */
export function explained(error: unknown): unknown {
  if (error instanceof PortInUse) return new Error(`EMBEDDED_NODE_PORT=${error.port}: ${error.message}`)
  if (!(error instanceof CannotListen)) return error
  const { host, port, code, message } = error
  if (code === 'EADDRINUSE') return new Error(`PORT=${port}: ${message}`)
  if (code === 'EACCES') return new ConfigError('PORT', String(port), `a port that this user may open: ${message}`)
  return new ConfigError('HOST', host, `a name or an address of this machine: ${message}`)
}
