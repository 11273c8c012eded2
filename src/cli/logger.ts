import pino, { type Logger } from 'pino'
import pretty from 'pino-pretty'
import type { Config } from '../config.ts'
import { publicFacts } from './public-facts.ts'

/** JSON lines, or on a terminal lines for people. No line has the name or the email of a user: see {@link publicFacts}. */
export function loggerOf({ logLevel }: Config): Logger {
  const options = {
    level: logLevel,
    formatters: { log: publicFacts },
    // Errors are plain objects by then; pino's own would add all their fields.
    serializers: { err: (described: unknown) => described },
  }
  if (!process.stdout.isTTY) return pino(options)
  return pino(options, pretty({ ignore: 'pid,hostname', translateTime: 'HH:MM:ss.l', singleLine: true }))
}
