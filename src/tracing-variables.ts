import { z } from 'zod'

const exporters = ['otlp', 'console', 'none'] as const
const samplers = ['always_on', 'always_off', 'traceidratio'].flatMap((sampler) => [sampler, `parentbased_${sampler}`])

/** An unset variable is undefined; the value is shown where it is not allowed. */
type Read = <T>(name: string, schema: z.ZodType<T>) => T

/**
 * The exporters of traces that the standard variables ask for
 * (https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/), none where they ask for none.
 * The rest of them is read by the SDK, which does not tell of values that it does not know: so they are checked here.
 */
export function traceExporters(read: Read): ('otlp' | 'console')[] {
  if (read('OTEL_SDK_DISABLED', text)?.toLowerCase() === 'true') return []
  const endpoints = ['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', 'OTEL_EXPORTER_OTLP_ENDPOINT']
  const hasEndpoint = () => endpoints.some((name) => read(name, text) !== undefined)
  const asked = read('OTEL_TRACES_EXPORTER', exporterList) ?? (hasEndpoint() ? ['otlp'] : [])
  const used = [...new Set(asked)].filter((exporter) => exporter !== 'none')
  if (used.length === 0) return []
  read('OTEL_TRACES_SAMPLER', sampler)
  read('OTEL_TRACES_SAMPLER_ARG', samplerArgument)
  if (!used.includes('otlp')) return used
  for (const name of endpoints) read(name, endpoint)
  for (const name of ['OTEL_EXPORTER_OTLP_TRACES_PROTOCOL', 'OTEL_EXPORTER_OTLP_PROTOCOL']) read(name, protocol)
  return used
}

const text = z.string().optional()

const exporterList = z
  .string()
  .transform((list) => list.split(',').map((exporter) => exporter.trim().toLowerCase()))
  .pipe(z.array(z.enum(exporters, `a list of ${exporters.join(', ')}, with commas between them`)))
  .optional()

const sampler = z.enum(samplers, `one of ${samplers.join(', ')}`).optional()

const samplerArgument = z
  .string()
  .refine((ratio) => Number(ratio) >= 0 && Number(ratio) <= 1, 'the part of the traces that is kept, from 0 to 1')
  .optional()

const endpoint = z
  .string()
  .refine((url) => /^https?:\/\//.test(url) && URL.canParse(url), 'a URL that starts with http:// or https://')
  .optional()

const protocol = z.literal('http/protobuf', 'http/protobuf is the only protocol that is spoken').optional()
