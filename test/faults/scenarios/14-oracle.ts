import fc from 'fast-check'
import { ALREADY } from '../checker.ts'
import type { Client } from '../client.ts'
import type { Intent, Outcome } from '../history.ts'
import type { Run, Scenario } from '../run.ts'

const PEOPLE = 4
const RUNS = { short: 10, long: 10_000 }

type Step =
  | { readonly kind: 'register'; readonly person: number; readonly spelling: number; readonly key: boolean }
  /** The same request, as a client does that has lost the answer. */
  | { readonly kind: 'repeat'; readonly earlier: number }
  /** Another body with the key of an earlier request. */
  | { readonly kind: 'reuse key'; readonly earlier: number }
  | { readonly kind: 'kill' }

const person = fc.nat(PEOPLE - 1)
const steps = fc.array(
  fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({ kind: fc.constant('register' as const), person, spelling: fc.nat(2), key: fc.boolean() }),
    },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('repeat' as const), earlier: fc.nat(20) }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('reuse key' as const), earlier: fc.nat(20) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('kill' as const) }) },
  ),
  { minLength: 1, maxLength: 25 },
)

/** Any sequence of requests, at a service that is killed now and then, has the answers of a few lines in memory. */
export const oracle: Scenario = {
  number: 14,
  name: 'random commands against an oracle',
  async run(run) {
    const service = run.service()
    await service.start()
    const property = fc.asyncProperty(steps, async (given: readonly Step[]) => {
      // Not fast-check's own limit, which leaves behind what it interrupts.
      if (run.isOver) return
      const oracle = new Oracle(run)
      for (const step of given) {
        if (step.kind === 'kill') {
          await service.kill()
          run.kills++
          await service.start()
          continue
        }
        const intent = oracle.intentOf(step)
        if (intent) await oracle.compare(run.client(service), intent)
      }
    })
    await fc.assert(property, {
      seed: run.settings.seed,
      numRuns: RUNS[run.settings.scale],
    })
    await run.judge([service])
  },
}

/** What registrations come to, for people of its own. */
class Oracle {
  readonly #run: Run
  readonly #people: readonly string[]
  readonly #intents: Intent[] = []
  readonly #winners = new Map<string, { readonly intent: Intent; readonly id: string }>()

  constructor(run: Run) {
    this.#run = run
    const round = run.history.operations
    this.#people = Array.from({ length: PEOPLE }, (_, index) => run.person(`${index}-of-${round}`))
  }

  /** Undefined where there is no earlier request that it could be about. */
  intentOf(step: Exclude<Step, { kind: 'kill' }>): Intent | undefined {
    if (step.kind === 'register') {
      const person = this.#people[step.person] ?? ''
      const email = [person, person.toUpperCase(), ` ${person}`][step.spelling] ?? person
      return this.#kept(this.#run.intent({ person, email, key: step.key }))
    }
    const earlier = this.#intents[step.earlier % Math.max(1, this.#intents.length)]
    if (!earlier || step.kind === 'repeat') return earlier
    return this.#kept({ ...this.#run.intent({ person: earlier.person }), key: earlier.key })
  }

  async compare(client: Client, intent: Intent): Promise<void> {
    const expected = this.#expected(intent)
    const outcome = await client.register(intent)
    if (outcome.kind === 'ok' && !outcome.replayed) this.#winners.set(intent.person, { intent, id: outcome.id })
    const said = told(outcome)
    if (said !== expected) throw new Error(`${JSON.stringify(intent)}: ${said}, not ${expected}`)
    const winner = this.#winners.get(intent.person)
    const found = await client.find(intent, outcome.kind === 'ok' ? outcome.token : undefined)
    if (outcome.kind === 'ok' && String(found) !== winner?.id) throw new Error(`${intent.email}: found ${found}`)
  }

  #expected(intent: Intent): string {
    const winner = this.#winners.get(intent.person)?.intent
    if (!winner) return 'registered'
    if (intent.key === undefined || winner.key !== intent.key) return ALREADY
    return winner.name === intent.name ? 'replayed' : 'idempotency-key-reused'
  }

  #kept(intent: Intent): Intent {
    this.#intents.push(intent)
    return intent
  }
}

function told(outcome: Outcome): string {
  if (outcome.kind === 'ok') return outcome.replayed ? 'replayed' : 'registered'
  return outcome.reason
}
