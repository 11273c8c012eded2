import { setTimeout } from 'node:timers/promises'
import { context, propagation, trace } from '@opentelemetry/api'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto'
import {
  defaultResource,
  detectResources,
  envDetector,
  resourceFromAttributes,
  serviceInstanceIdDetector,
} from '@opentelemetry/resources'
import {
  BatchSpanProcessor,
  ConsoleSpanExporter,
  NodeTracerProvider,
  SimpleSpanProcessor,
  type SpanExporter,
  type SpanProcessor,
} from '@opentelemetry/sdk-trace-node'
import { ATTR_SERVICE_NAME } from '@opentelemetry/semantic-conventions'
import type { Logger } from 'pino'
import { appliedSpans } from './applied.ts'
import { tracedAdmission } from './commands.ts'
import { tracedEvents } from './events.ts'
import { tracedFetch } from './fetch.ts'
import { tracedReaction } from './reactions.ts'
import { requestFailed, tracedRequests } from './requests.ts'
import type { TraceExporter, Tracing } from './tracing.ts'

/** How long what is not sent yet may keep the process from ending, in milliseconds. */
const FLUSH = 1_000

/** Sampler, limits, batches, endpoint, headers and resource come from the `OTEL_*` variables, which the SDK reads. */
export function startSdk(exporters: readonly TraceExporter[], logger: Logger): Tracing {
  const processors = exporters.map((exporter) =>
    exporter === 'console'
      ? new SimpleSpanProcessor(new ConsoleSpanExporter())
      : new BatchSpanProcessor(reported(new OTLPTraceExporter(), logger)),
  )
  return tracingWith(processors, (error) => {
    logger.warn({ reason: messageOf(error) }, 'the last traces were not sent')
  })
}

/** One at a time in a process: the context of what is under way is found through globals of the OpenTelemetry API. */
export function tracingWith(spanProcessors: SpanProcessor[], onLost: (error: unknown) => void): Tracing {
  const provider = new NodeTracerProvider({ resource: resource(), spanProcessors })
  provider.register()
  const tracer = provider.getTracer('rollbook')
  return {
    requests: (app) => tracedRequests(tracer, app),
    requestFailed,
    commands: (name, admit) => tracedAdmission(tracer, name, admit),
    events: (store) => tracedEvents(tracer, store),
    applied: appliedSpans(tracer),
    reactions: (reaction) => tracedReaction(tracer, reaction),
    fetch: tracedFetch(tracer),
    async stop() {
      const flushed = new AbortController()
      const late = setTimeout(FLUSH, undefined, { signal: flushed.signal }).then(() => {
        throw new Error(`not done within ${FLUSH} ms`)
      })
      await Promise.race([provider.shutdown(), late]).catch(onLost)
      flushed.abort()
      await late.catch(() => undefined)
      for (const api of [trace, context, propagation]) api.disable()
    },
  }
}

function resource() {
  const ours = resourceFromAttributes({ [ATTR_SERVICE_NAME]: 'rollbook' })
  const given = detectResources({ detectors: [serviceInstanceIdDetector, envDetector] })
  return defaultResource().merge(ours).merge(given)
}

/** Logs once that a collector takes nothing, and once that it does again. The SDK keeps a bounded number of spans meanwhile. */
function reported(exporter: SpanExporter, logger: Logger): SpanExporter {
  let isFailing = false
  return {
    export: (spans, done) =>
      exporter.export(spans, (result) => {
        if (result.error && !isFailing) logger.warn({ reason: result.error.message }, 'traces cannot be sent')
        if (!result.error && isFailing) logger.info('traces can be sent again')
        isFailing = result.error !== undefined
        done(result)
      }),
    shutdown: () => exporter.shutdown(),
  }
}

const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error))
