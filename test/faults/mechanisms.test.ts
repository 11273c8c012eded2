import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { connectEventStore } from '../../src/eventstoredb/event-store.ts'
import { fill } from './backlog.ts'
import { mechanisms } from './mechanisms.ts'
import { mutant } from './mutants.ts'
import { DIST } from './processes.ts'
import { runScenario } from './run.ts'
import { World } from './world.ts'

const settings = { seed: 1, duration: 0, scale: 'short' } as const

/** A world that ends with the test. */
function aWorld(): World {
  const world = new World()
  onTestFinished(() => world[Symbol.asyncDispose]())
  return world
}

describe.each(mechanisms)('$name', { timeout: 90_000 }, ({ invariant, without, run }) => {
  it('keeps the invariant', async () => {
    const { violations } = await runScenario({ number: 0, name: 'with it', run }, settings)
    expect(violations).toEqual([])
  })

  it(`is what keeps ${invariant}: without it, the checker finds a violation`, async () => {
    const dist = mutant(aWorld(), without)
    const { violations } = await runScenario({ number: 0, name: 'without it', run }, { ...settings, dist })
    expect(violations.map((violation) => violation.invariant)).toContain(invariant)
  })
})

/** Of a subscription's checkpoints: ours, then enough of others for the store to report how far it has searched. */
describe('the checkpoint marker in line behind the events', () => {
  const OURS = 12
  const SEARCH_WINDOW = 1_000

  it('keeps every checkpoint behind the events before it', async () => {
    expect(await eventsMissed(aWorld(), DIST)).toBe(0)
  })

  it('is what does: stored when the client reports it, a checkpoint is ahead of events', async () => {
    const world = aWorld()
    const file = 'src/eventstoredb/subscribe.js'
    const without = { file, from: 'subscription.push(new Checkpoint(', to: 'inbox.put(new Checkpoint(' }
    expect(await eventsMissed(world, mutant(world, [without]))).toBeGreaterThan(0)
  })

  /** Most events that had not been delivered when a batch said that all up to its position were. */
  async function eventsMissed(world: World, dist: string): Promise<number> {
    const node = world.node()
    await node.start()
    const prefix = `ours${randomUUID()}`
    const [ours, noise] = [
      { stream: `${prefix}-1`, length: 0 },
      { stream: `noise-${randomUUID()}`, length: 0 },
    ]
    const make = (index: number) => ({ type: 'Counted', data: { index } })
    for (let round = 0; round < 5; round++) {
      await fill(node.url, ours, OURS, make)
      await fill(node.url, noise, SEARCH_WINDOW - OURS, make)
    }
    const adapter: { connectEventStore: typeof connectEventStore } = await import(
      pathToFileURL(join(dist, 'src/eventstoredb/event-store.js')).href
    )
    const store = adapter.connectEventStore(node.url)
    const stop = new AbortController()
    const delivered: number[] = []
    const checkpoints: { readonly position: number; readonly delivered: number }[] = []
    const options = { after: undefined, streamPrefixes: [prefix], signal: stop.signal, maxBatch: OURS - 2 }
    for await (const { events, position, caughtUp } of store.subscribe(options)) {
      delivered.push(...events.map((event) => event.position))
      checkpoints.push({ position, delivered: delivered.length })
      // A slow consumer, so that the client holds events back.
      await setTimeout(20)
      if (caughtUp && delivered.length === ours.length) break
    }
    stop.abort()
    await store.close()
    const missed = checkpoints.map(
      ({ position, delivered: seen }) => delivered.filter((at) => at <= position).length - seen,
    )
    return Math.max(...missed)
  }
})
