import { Hono } from 'hono'
import type { RouteVariables } from './module.ts'

/** Who keeps the figures of the service. */
export interface HttpMetrics {
  /** Told of each request when its answer is there. `route`: its pattern, undefined where no route matched. */
  answered(method: string, route: string | undefined, status: number, seconds: number): void
  expose(): Promise<{ readonly contentType: string; readonly body: string }>
}

/** The figures, for a Prometheus server to scrape. They tell nothing of single users. */
export function metricsRoutes(metrics: HttpMetrics): Hono<{ Variables: RouteVariables }> {
  return new Hono<{ Variables: RouteVariables }>().get('/metrics', async (c) => {
    const { contentType, body } = await metrics.expose()
    return c.body(body, 200, { 'Content-Type': contentType, 'Cache-Control': 'no-store' })
  })
}
