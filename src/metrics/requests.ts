import { Counter, Histogram, type Registry } from 'prom-client'

/** A query may wait 30 seconds for the read model. */
const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]

/** Others are the client's invention, and would be a label each. */
const METHODS = new Set(['GET', 'HEAD', 'POST', 'OPTIONS'])

export interface RequestMetrics {
  /** Takes each request that was answered. `route`: its pattern, undefined where no route matched. */
  answered(method: string, route: string | undefined, status: number, seconds: number): void
  /** Takes each answer to what was no request to the API. */
  refused(status: number): void
}

export function requestMetrics(registry: Registry): RequestMetrics {
  const durations = new Histogram({
    name: 'rollbook_http_request_duration_seconds',
    help: 'Time from a request to its answer, without the time to send it.',
    labelNames: ['method', 'route', 'status'],
    buckets: BUCKETS,
    registers: [registry],
  })
  const refusals = new Counter({
    name: 'rollbook_http_refused_total',
    help: 'What was refused before it was a request to the API: malformed, too large, too slow, or one too many.',
    labelNames: ['status'],
    registers: [registry],
  })
  return {
    answered: (method, route = 'unmatched', status, seconds) =>
      durations.observe({ method: METHODS.has(method) ? method : 'other', route, status }, seconds),
    refused: (status) => refusals.inc({ status }),
  }
}
