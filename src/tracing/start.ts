import type { Logger } from 'pino'
import type { TraceExporter, Tracing } from './tracing.ts'

/** With no exporter, everything stays as it is, and nothing of OpenTelemetry is loaded. */
export async function startTracing(exporters: readonly TraceExporter[], logger: Logger): Promise<Tracing> {
  if (exporters.length === 0) return untraced
  const { startSdk } = await import('./sdk.ts')
  return startSdk(exporters, logger)
}

const untraced: Tracing = {
  requests: (app) => app,
  requestFailed: () => undefined,
  commands: (_, admit) => admit,
  events: (store) => store,
  applied: undefined,
  reactions: (reaction) => reaction,
  fetch: (url, init) => fetch(url, init),
  stop: async () => undefined,
}
