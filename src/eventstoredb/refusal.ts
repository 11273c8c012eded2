import type { EventStoreDBClient } from '@eventstore/db-client'
import { status } from '@grpc/grpc-js'
import { StoreUnavailable } from '../cqrs/event-store.ts'

/** Why what answers is of no use, and will not be before somebody changes it or the connection string. */
export type Refusal = 'other-server' | 'old-server' | 'certificate' | 'no-tls' | 'credentials' | 'rights'

/** Undefined where trying again may help, as after any other failure. */
export function refusalOf(error: unknown): Refusal | undefined {
  const cause = error instanceof StoreUnavailable ? error.cause : undefined
  if (cause instanceof UnsupportedServer) return 'old-server'
  if (!(cause instanceof Error) || !('code' in cause)) return undefined
  switch (cause.code) {
    case status.UNIMPLEMENTED:
      return 'other-server'
    case status.UNAUTHENTICATED:
      return 'credentials'
    case status.PERMISSION_DENIED:
      return 'rights'
    case status.UNAVAILABLE:
      return connections.find(([, text]) => text.test(cause.message))?.[0]
    default:
      return undefined
  }
}

/** All that gRPC says of a connection that could not be made is a text of Node.js or OpenSSL. */
const connections: readonly (readonly [Refusal, RegExp])[] = [
  // The other side speaks, with TLS or without, but not HTTP/2.
  ['other-server', /Last error: Protocol error|alert no application protocol/],
  ['no-tls', /wrong version number/],
  [
    'certificate',
    /self[- ]signed certificate|unable to (verify|get) .*certificate|certificate (has expired|is not yet valid)|altnames/,
  ],
]

/** The server is older than the calls that are made of it. */
export class UnsupportedServer extends Error {
  override readonly name = 'UnsupportedServer'
  readonly version: string

  constructor(version: string) {
    super(`the server has version ${version}, and ${OLDEST.join('.')} or newer is needed`)
    this.version = version
  }
}

/** The first to send `caught_up`, without which nobody would ever know that a replay is over. */
const OLDEST = [23, 10] as const

/**
 * Does nothing where the version cannot be found out.
 *
 * @throws {UnsupportedServer}
 */
export async function checkVersion(client: EventStoreDBClient): Promise<void> {
  // The client asks once for each connection, and keeps what it was told to itself.
  const asked: unknown = Reflect.get(client, 'capabilities')
  const features: unknown = await Promise.resolve(asked).catch(() => undefined)
  if (typeof features !== 'object' || features === null || !('serverVersion' in features)) return
  const version = String(features.serverVersion)
  if (isTooOld(version)) throw new UnsupportedServer(version)
}

/** A server that does not know the question, which the client calls unknown, is from before 21.10. Builds of developers have 0.0.0. */
function isTooOld(version: string): boolean {
  if (version === 'unknown') return true
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return major > 0 && (major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1]))
}
