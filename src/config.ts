import { resolve } from 'node:path'
import { z } from 'zod'
import { connectionString, withoutPassword } from './connection-string.ts'
import { traceExporters } from './tracing-variables.ts'

export interface Config {
  /** Connection string of the event store; where undefined, the embedded node is started. */
  readonly eventStoreUrl: string | undefined
  readonly host: string
  /** 0 picks a free port. */
  readonly port: number
  /** Absolute path. */
  readonly dataDir: string
  /** 0 picks a free port. */
  readonly embeddedNodePort: number
  /** Of the node that is started alone; undefined: on loopback, without users. */
  readonly nodeSecurity: NodeSecurity | undefined
  /** Most commands that run at a time; the rest is refused. */
  readonly maxCommands: number
  /** Who is told about registrations; undefined: nobody. */
  readonly webhook: WebhookConfig | undefined
  /** Where traces go; nowhere by default. */
  readonly traceExporters: readonly ('otlp' | 'console')[]
  /** Who is served the inspector: undefined where it depends on what the service listens on. */
  readonly inspector: 'on' | 'off' | undefined
  /** Whether tools for developers are served; not in production. */
  readonly development: boolean
  /** Whether npm started the process: it passes on signals that the terminal has sent to the whole group already. */
  readonly underNpm: boolean
  readonly logLevel: 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace' | 'silent'
}

export interface NodeSecurity {
  readonly host: string | undefined
  /** PEM files. */
  readonly tls: { readonly certificate: string; readonly key: string } | undefined
  /** A file of users. */
  readonly users: string | undefined
}

export interface WebhookConfig {
  readonly url: string
  readonly secret: string
  /** Services with the same group share the deliveries; undefined: this one makes them all. */
  readonly group: string | undefined
}

/**
 * Reads the configuration from environment variables; an empty one counts as not set.
 *
 * @throws {ConfigError} a variable has a value that is not allowed.
 */
export function readConfig(environment: Readonly<Record<string, string | undefined>>): Config {
  const read = <T>(name: string, schema: z.ZodType<T>, show = withoutPassword): T => {
    const value = environment[name] || undefined
    const parsed = schema.safeParse(value)
    if (parsed.success) return parsed.data
    throw new ConfigError(name, show(value ?? ''), parsed.error.issues.map(({ message }) => message).join('; '))
  }
  const webhookUrl = read('WEBHOOK_URL', httpUrl)
  // Looked at only where it is used, so that webhooks are switched off by unsetting their URL.
  const webhook =
    webhookUrl === undefined
      ? undefined
      : {
          url: webhookUrl,
          secret: read('WEBHOOK_SECRET', webhookSecret, hidden),
          group: read('WEBHOOK_GROUP', webhookGroup),
        }
  read('ROLLBOOK_FAILPOINTS', noFailpoints(environment['NODE_ENV']))
  return {
    eventStoreUrl: read('EVENTSTORE_URL', connectionString.optional()),
    host: read('HOST', host),
    port: read('PORT', port.default(1323)),
    dataDir: read(
      'DATA_DIR',
      z
        .string()
        .default('./data')
        .transform((path) => resolve(path)),
    ),
    embeddedNodePort: read('EMBEDDED_NODE_PORT', port.default(2113)),
    nodeSecurity: readNodeSecurity(environment),
    maxCommands: read('MAX_COMMANDS', maxCommands),
    webhook,
    traceExporters: traceExporters(read),
    inspector: read('INSPECTOR', inspector),
    development: environment['NODE_ENV'] !== 'production',
    underNpm: Boolean(environment['npm_lifecycle_event']),
    logLevel: read('LOG_LEVEL', logLevel),
  }
}

function readNodeSecurity(environment: Readonly<Record<string, string | undefined>>): NodeSecurity | undefined {
  const given = (name: string): string | undefined => environment[`EMBEDDED_NODE_${name}`] || undefined
  const [host, certificate, key, users] = ['HOST', 'TLS_CERTIFICATE', 'TLS_KEY', 'USERS'].map(given)
  if ((host ?? certificate ?? key ?? users) === undefined) return undefined
  if (certificate === undefined && key === undefined) return { host, tls: undefined, users }
  if (certificate === undefined) throw new ConfigError('EMBEDDED_NODE_TLS_CERTIFICATE', '', 'a key takes a certificate')
  if (key === undefined) throw new ConfigError('EMBEDDED_NODE_TLS_KEY', '', 'a certificate takes its key')
  return { host, tls: { certificate, key }, users }
}

export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly variable: string

  /** `value` is printed as it is. */
  constructor(variable: string, value: string, allowed: string) {
    super(`${variable}=${value} is not allowed: ${allowed}`)
    this.variable = variable
  }
}

const host = z
  .string()
  .regex(/^[\w.:%-]+$/, 'a host name or an IP address')
  .default('127.0.0.1')

const port = z
  .string()
  .regex(/^\d{1,5}$/, 'a port is a whole number from 0 to 65535')
  .transform(Number)
  .refine((number) => number <= 65_535, 'a port is a whole number from 0 to 65535')

/** Far above the number at which more at a time no longer means more a second: see docs/overload.md. */
const mostCommands = 10_000
const maxCommandsRule = `a whole number from 1 to ${mostCommands}`
const maxCommands = z
  .string()
  .regex(/^\d{1,5}$/, maxCommandsRule)
  .default('64')
  .transform(Number)
  .refine((number) => number >= 1 && number <= mostCommands, maxCommandsRule)

const httpUrl = z
  .string()
  .regex(
    /^https?:\/\/[^\s/?#@]+([/?#]\S*)?$/,
    'a URL starts with http:// or https:// and has no user, password or white space',
  )
  .refine(URL.canParse, 'a URL has a host and, where it has a port, one from 0 to 65535')
  .optional()

/** As the Standard Webhooks specification has it. */
const SECRET_BYTES = { min: 24, max: 64 }
const secretRule = `whsec_ and ${SECRET_BYTES.min} to ${SECRET_BYTES.max} bytes in base64, required with WEBHOOK_URL`
const webhookSecret = z.string(secretRule).refine((secret) => {
  const base64 = /^whsec_((?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?)$/.exec(secret)?.[1]
  const bytes = Buffer.byteLength(base64 ?? '', 'base64')
  return bytes >= SECRET_BYTES.min && bytes <= SECRET_BYTES.max
}, secretRule)

const webhookGroup = z
  .string()
  .regex(/^[\w.-]{1,100}$/, 'the name of a group has 1 to 100 letters, digits, and _ . -')
  .optional()

const inspector = z.enum(['on', 'off'], 'on or off').optional()

const levels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const
const logLevel = z.enum(levels, `one of ${levels.join(', ')}`).default('info')

/** Tests use them to end the process at a certain instant. */
const noFailpoints = (mode: string | undefined) =>
  z.custom(
    (value) => value === undefined || mode !== 'production',
    'failpoints are for tests, never with NODE_ENV=production',
  )

const hidden = (secret: string): string => (secret === '' ? '' : '***')
