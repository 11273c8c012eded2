import { setTimeout } from 'node:timers/promises'
import type { Intent } from './history.ts'
import type { Random } from './random.ts'
import type { Run } from './run.ts'
import type { ServiceUnderTest } from './world.ts'

/** How long a client waits after a failure, in milliseconds. */
const PAUSE = 25

export interface LoadOptions {
  readonly clients?: number
  /** Percentage of requests that have an Idempotency-Key. */
  readonly keyed?: number
}

export interface Load {
  /** Resolves when every client has its last answer. */
  stop(): Promise<void>
}

/**
 * Clients that register new people, send again what they were not told the outcome of, try emails that are taken, and
 * ask for what they have registered. Each draws from a fork of its own.
 */
export function startLoad(
  run: Run,
  services: readonly [ServiceUnderTest, ...ServiceUnderTest[]],
  { clients = 6, keyed = 70 }: LoadOptions = {},
): Load {
  let isStopped = false
  const client = async (random: Random) => {
    let open: Intent | undefined
    let known: Intent | undefined
    while (!isStopped) {
      const via = run.client(random.pick(services))
      const intent =
        open ?? (known && random.chance(10) ? respelled(run, known) : run.intent({ key: random.chance(keyed) }))
      const outcome = await via.register(intent)
      open = outcome.kind === 'unknown' ? intent : undefined
      if (outcome.kind === 'ok') {
        known = intent
        if (random.chance(40)) await via.find(intent, outcome.token)
        else if (random.chance(20)) await via.total()
      } else await setTimeout(PAUSE)
    }
  }
  const label = run.loads++
  const all = Array.from({ length: clients }, (_, index) => client(run.random.fork(`${label} ${index}`)))
  return {
    async stop() {
      isStopped = true
      await Promise.all(all)
    },
  }
}

function respelled(run: Run, { person }: Intent): Intent {
  return run.intent({ person, email: person.toUpperCase() })
}
