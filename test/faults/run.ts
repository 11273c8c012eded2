import { randomUUID } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import { check, type FinalState, type Observation, type Rebuild, type Violation } from './checker.ts'
import { Client } from './client.ts'
import { History, type Intent } from './history.ts'
import { readLog } from './log.ts'
import { waitUntil } from './processes.ts'
import { Random } from './random.ts'
import { finalState, observe, rebuilt } from './read-models.ts'
import { type ServiceUnderTest, World } from './world.ts'

/** How often a read model's file is looked at, in milliseconds. */
const LOOK = 25

export interface Settings {
  readonly seed: number
  /** For how long faults are made, in milliseconds. To begin and to check comes on top. */
  readonly duration: number
  /** Counts of scenarios that have counts: the short form runs with every change, the long one by hand. */
  readonly scale: 'short' | 'long'
  /** Where it is set, scenarios that let the store be use this one, and whatever it holds already. */
  readonly storeUrl?: string | undefined
  /** The compiled service, where it is not the one that ships. */
  readonly dist?: string
}

export interface Scenario {
  readonly number: number
  readonly name: string
  run(run: Run): Promise<void>
}

/** What a run has come to. */
export interface Row {
  readonly scenario: string
  readonly seed: number
  readonly seconds: number
  readonly operations: number
  readonly kills: number
  readonly faults: number
  readonly unknown: number
  readonly notes: readonly string[]
  readonly violations: readonly (Violation | Broken)[]
}

/** Something that a scenario promises beside the invariants: to come back in time, say. */
interface Broken {
  readonly invariant: 'promise'
  readonly what: string
}

/** Runs a scenario; what it throws counts as a promise that was broken. */
export async function runScenario(scenario: Scenario, settings: Settings): Promise<Row> {
  const started = performance.now()
  const run = new Run(settings)
  try {
    await scenario.run(run)
  } catch (error) {
    run.promise(false, error instanceof Error ? (error.stack ?? error.message) : String(error))
  } finally {
    await run.world[Symbol.asyncDispose]()
  }
  const { kills, faults, notes, violations, history } = run
  return {
    scenario: `${scenario.number} ${scenario.name}`,
    seed: settings.seed,
    seconds: Math.round((performance.now() - started) / 100) / 10,
    operations: history.operations,
    unknown: history.count('unknown'),
    ...{ kills, faults, notes, violations },
  }
}

/** One run of one scenario: its world, its choices, and what is recorded of it. */
export class Run {
  readonly settings: Settings
  readonly random: Random
  readonly world = new World()
  readonly history = new History()
  readonly violations: (Violation | Broken)[] = []
  readonly notes: string[] = []
  kills = 0
  faults = 0
  /** How many loads there were: each draws from forks of its own. */
  loads = 0
  readonly #observations: Observation[] = []
  readonly #end: number
  /** Runs may follow each other on one store. */
  readonly #id = randomUUID().slice(0, 8)
  #intents = 0
  readonly #watchers: (() => Promise<void>)[] = []

  constructor(settings: Settings) {
    this.settings = settings
    this.random = new Random(settings.seed)
    this.#end = performance.now() + settings.duration
  }

  /** Whether there has been enough of it. */
  get isOver(): boolean {
    return performance.now() >= this.#end
  }

  /** A service on the store of the settings, or where there is none with an embedded node of its own. */
  service(settings: Parameters<World['service']>[0] = {}): ServiceUnderTest {
    const { dist } = this.settings
    const service = this.world.service({ ...(dist !== undefined && { dist }), ...settings })
    this.#watch(service)
    return service
  }

  /** The store of the settings, or a node of its own. */
  async store(): Promise<string> {
    const { storeUrl } = this.settings
    if (storeUrl !== undefined && storeUrl !== '') return storeUrl
    const node = this.world.node()
    await node.start()
    return node.url
  }

  client(service: ServiceUnderTest): Client {
    return new Client(this.history, service)
  }

  /** Somebody who wants to be registered: another person each time, if none is named. */
  intent(wanted: { readonly person?: string; readonly email?: string; readonly key?: boolean } = {}): Intent {
    const { person = this.person(), email = person, key = true } = wanted
    const name = `intent ${this.#intents++} of ${this.#id}`
    return { name, person, email, key: key ? randomUUID() : undefined }
  }

  person(label = String(this.#intents)): string {
    return `person-${label}@run-${this.#id}.example`
  }

  promise(isKept: boolean, what: string): void {
    if (!isKept) this.violations.push({ invariant: 'promise', what })
  }

  /** Waits for what was accepted to be applied everywhere, and holds everything that was recorded against the log. */
  async judge(services: readonly [ServiceUnderTest, ...ServiceUnderTest[]]): Promise<void> {
    const end = (await readLog(services[0].storeUrl)).at(-1)?.position ?? 0
    const states: FinalState[] = []
    const rebuilds: Rebuild[] = []
    for (const service of services) {
      await waitUntil(() => (observe(service)?.position ?? 0) >= end, `${service.name} to have all events`, 60_000)
      if (service.isRunning) {
        await this.client(service).total(end)
        await this.#askForSome(service, end)
      }
      states.push(finalState(service))
      rebuilds.push(await rebuilt(service))
    }
    await this.stopWatching()
    const log = await readLog(services[0].storeUrl)
    const { registrations, queries } = this.history
    this.violations.push(...check({ registrations, queries, log, states, rebuilds, observations: this.#observations }))
  }

  /** With the token of the end: what is not found now is lost. */
  async #askForSome(service: ServiceUnderTest, end: number): Promise<void> {
    const { registrations } = this.history
    const step = Math.ceil(registrations.length / 200)
    const some = registrations.filter((_, index) => index % step === 0)
    await Promise.all(some.map(({ intent }) => this.client(service).find({ ...intent, email: intent.person }, end)))
  }

  #watch(service: ServiceUnderTest): void {
    const stop = new AbortController()
    const watching = (async () => {
      while (!stop.signal.aborted) {
        const seen = observe(service)
        if (seen) this.#observations.push(seen)
        await setTimeout(LOOK)
      }
    })()
    const end = async () => {
      stop.abort()
      await watching
    }
    this.#watchers.push(end)
    this.world.atEnd(end)
  }

  async stopWatching(): Promise<void> {
    for (const end of this.#watchers.splice(0)) await end()
  }
}
