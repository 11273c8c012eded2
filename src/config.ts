import { resolve } from 'node:path'
import { z } from 'zod'

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
  readonly logLevel: 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace' | 'silent'
}

/**
 * Reads the configuration from environment variables; an empty one counts as not set.
 *
 * @throws {ConfigError} a variable has a value that is not allowed.
 */
export function readConfig(environment: Readonly<Record<string, string | undefined>>): Config {
  const read = <T>(name: string, schema: z.ZodType<T>): T => {
    const value = environment[name] || undefined
    const parsed = schema.safeParse(value)
    if (parsed.success) return parsed.data
    throw new ConfigError(name, value ?? '', parsed.error.issues.map(({ message }) => message).join('; '))
  }
  return {
    eventStoreUrl: read('EVENTSTORE_URL', connectionString),
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
    logLevel: read('LOG_LEVEL', logLevel),
  }
}

export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly variable: string

  constructor(variable: string, value: string, allowed: string) {
    super(`${variable}=${withoutPassword(value)} is not allowed: ${allowed}`)
    this.variable = variable
  }
}

const connectionString = z
  .string()
  .regex(
    /^esdb(\+discover)?:\/\/[^/?]+/,
    'a connection string starts with esdb:// or esdb+discover:// and names a host',
  )
  .optional()

const host = z
  .string()
  .regex(/^[\w.:%-]+$/, 'a host name or an IP address')
  .default('127.0.0.1')

const port = z
  .string()
  .regex(/^\d{1,5}$/, 'a port is a whole number from 0 to 65535')
  .transform(Number)
  .refine((number) => number <= 65_535, 'a port is a whole number from 0 to 65535')

const levels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const
const logLevel = z.enum(levels, `one of ${levels.join(', ')}`).default('info')

function withoutPassword(value: string): string {
  return value.replace(/\/\/[^/@]*@/, '//***@')
}
