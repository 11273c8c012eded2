import { Hono } from 'hono'
import type { RouteVariables } from './module.ts'

/** Where the process stands, as `GET /health/ready` shows it. */
export interface Health {
  /** Whether traffic should be sent here. */
  readonly ready: boolean
  readonly eventStore: { readonly connected: boolean }
  readonly readModel: {
    readonly state: string
    /** Position of the log that the read model reflects. */
    readonly position: number
    /** Events received and not applied yet; null while the log is replayed, when it is not known. */
    readonly lag: number | null
    /** Milliseconds in which the read model made no progress though there was something to do. */
    readonly millisecondsWithoutProgress: number
    /** Events that could not be applied and were set aside. */
    readonly parked: number
    readonly error?: string
  }
  /** Side effects that run in the background. None of them makes the process unready. */
  readonly reactions: readonly ReactionHealth[]
}

interface ReactionHealth {
  readonly name: string
  readonly state: string
  /** Position of the log up to which every event is done or parked. */
  readonly position: number
  /** Events received that are neither done nor parked; null while it is not known what is to come. */
  readonly lag: number | null
  /** How many of them have failed at least once. */
  readonly retrying: number
  /** Events that were given up, and those set aside behind them. */
  readonly parked: number
  readonly error?: string
}

/** `live` says that the process answers, whatever it depends on; `ready` that it can do its work. */
export function healthRoutes(health: () => Health): Hono<{ Variables: RouteVariables }> {
  return new Hono<{ Variables: RouteVariables }>()
    .get('/health/live', (c) => c.json({ live: true }, 200, noStore))
    .get('/health/ready', (c) => {
      const report = health()
      return c.json(report, report.ready ? 200 : 503, noStore)
    })
}

const noStore = { 'Cache-Control': 'no-store' }
