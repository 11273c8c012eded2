import { CannotListenOn, CorruptLog, LogInUse, LogNotWritable, PortInUse, UnknownLogFormat } from './errors.ts'
import type { Security } from './security.ts'
import type { NodeStatistics } from './statistics.ts'

/** What the worker is started with. */
export interface WorkerInput {
  readonly dataDir: string
  readonly port: number
  readonly security: Security
}

/** What the worker is told to do. */
export type WorkerRequest = 'close' | 'statistics'

/**
 * What the worker says: once that it listens, or why it could not start, and at any time what went wrong by its own
 * fault; its statistics, once for each time that it is asked; and at last that a client has shut it down.
 */
export type WorkerMessage =
  | { readonly kind: 'listening'; readonly port: number }
  | { readonly kind: 'failed'; readonly error: SentError }
  | { readonly kind: 'fault'; readonly reason: string }
  | { readonly kind: 'statistics'; readonly statistics: NodeStatistics }
  | { readonly kind: 'shutting-down' }

/** An error on its way between threads, which keep neither its class nor its fields. */
export type SentError =
  | { readonly name: 'LogInUse'; readonly file: string; readonly address: string | undefined }
  | { readonly name: 'UnknownLogFormat'; readonly file: string; readonly found: string; readonly supported: string }
  | { readonly name: 'CorruptLog'; readonly file: string; readonly detail: string }
  | { readonly name: 'LogNotWritable'; readonly file: string; readonly code: string; readonly reason: string }
  | { readonly name: 'PortInUse'; readonly port: number; readonly host: string }
  | { readonly name: 'CannotListenOn'; readonly host: string; readonly port: number; readonly reason: string }
  | { readonly name: 'Error'; readonly message: string }

export function packError(error: unknown): SentError {
  if (error instanceof LogInUse) return { name: error.name, file: error.file, address: error.address }
  if (error instanceof UnknownLogFormat) {
    return { name: error.name, file: error.file, found: error.found, supported: error.supported }
  }
  if (error instanceof CorruptLog) return { name: error.name, file: error.file, detail: error.detail }
  if (error instanceof LogNotWritable) {
    return { name: error.name, file: error.file, code: error.code, reason: error.reason }
  }
  if (error instanceof PortInUse) return { name: error.name, port: error.port, host: error.host }
  if (error instanceof CannotListenOn) {
    return { name: error.name, host: error.host, port: error.port, reason: error.reason }
  }
  return { name: 'Error', message: error instanceof Error ? error.message : String(error) }
}

export function unpackError(sent: SentError): Error {
  if (sent.name === 'LogInUse') return new LogInUse(sent.file, sent.address)
  if (sent.name === 'UnknownLogFormat') return new UnknownLogFormat(sent.file, sent.found, sent.supported)
  if (sent.name === 'CorruptLog') return new CorruptLog(sent.file, sent.detail)
  if (sent.name === 'LogNotWritable') return new LogNotWritable(sent.file, sent.code, sent.reason)
  if (sent.name === 'PortInUse') return new PortInUse(sent.port, sent.host)
  if (sent.name === 'CannotListenOn') return new CannotListenOn(sent.host, sent.port, sent.reason)
  return new Error(sent.message)
}
