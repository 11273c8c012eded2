import fc from 'fast-check'
import { ulid } from 'ulid'
import { describe, expect, it } from 'vitest'
import { ALREADY, check, type Record as Run } from './checker.ts'
import { Fold } from './fold.ts'
import type { Intent, Outcome, Query, Registration } from './history.ts'
import type { LogEntry } from './log.ts'

/** What becomes of a request that reaches the service. */
type Fate = 'answered' | 'reply lost' | 'never arrived'

interface Step {
  readonly person: number
  readonly fate: Fate
  readonly withKey: boolean
  /** Whether the intent before this one is sent again instead. */
  readonly again: boolean
}

/** A service without a fault, and a record of what clients saw of it. */
function honestRun(steps: readonly Step[]): Run {
  const log: LogEntry[] = []
  const registrations: Registration[] = []
  const queries: Query[] = []
  const observations: Run['observations'][number][] = []
  let now = 0
  let intent: Intent | undefined
  for (const [index, { person, fate, withKey, again }] of steps.entries()) {
    if (!again || !intent) {
      const name = `intent ${index}`
      intent = { name, person: `p${person}`, email: `P${person}@x.org`, key: withKey ? `key ${index}` : undefined }
    }
    const outcome = serve(log, intent, fate)
    registrations.push({ intent, invoked: now++, outcome })
    const position = log.at(-1)?.position ?? 0
    const fold = new Fold(log)
    const token = outcome.kind === 'ok' ? outcome.token : undefined
    const stream = `user-p${person}`
    const ids = log.flatMap((entry) => (entry.stream === stream && entry.user ? [entry.user.id] : []))
    const asked = { service: 'one', token, invoked: now++, answered: now++, position }
    queries.push({ ...asked, asked: { kind: 'person', person: `p${person}` }, answer: ids })
    queries.push({ ...asked, asked: { kind: 'total' }, answer: fold.at(position).total })
    observations.push({ service: 'one', file: '1', position, ...fold.at(position) })
  }
  const fold = new Fold(log)
  const position = log.at(-1)?.position ?? 0
  const state = { service: 'one', file: '1', position, ...fold.at(position), users: fold.users, digest: 'd' }
  const rebuilds = [{ service: 'one', live: 'd', rebuilt: 'd' }]
  return { registrations, queries, log, observations, states: [state], rebuilds }
}

function serve(log: LogEntry[], intent: Intent, fate: Fate): Outcome {
  if (fate === 'never arrived') return { kind: 'unknown', reason: 'no reply' }
  const stream = `user-${intent.person}`
  const first = log.find((entry) => entry.stream === stream)
  const isReplay = first?.user?.name === intent.name && intent.key !== undefined
  if (!first) {
    const position = log.length * 10 + 10
    const user = { id: ulid(), name: intent.name, email: intent.email }
    log.push({ position, stream, number: 1, eventId: `e${position}`, type: 'UserRegistered', created: 0, user })
  }
  if (fate === 'reply lost') return { kind: 'unknown', reason: 'no reply' }
  const entry = log.find((entry) => entry.stream === stream)
  if (!entry?.user || (first && !isReplay)) return { kind: 'refused', reason: ALREADY }
  return { kind: 'ok', id: entry.user.id, token: entry.position, replayed: isReplay }
}

const steps = fc.array(
  fc.record({
    person: fc.nat(5),
    fate: fc.constantFrom<Fate>('answered', 'answered', 'reply lost', 'never arrived'),
    withKey: fc.boolean(),
    again: fc.boolean(),
  }),
  { minLength: 1, maxLength: 30 },
)

/** One confirmed registration, one refused, one unknown. */
const run = (): Run =>
  honestRun([
    { person: 1, fate: 'answered', withKey: true, again: false },
    { person: 2, fate: 'reply lost', withKey: true, again: false },
    { person: 2, fate: 'answered', withKey: true, again: true },
    { person: 1, fate: 'answered', withKey: false, again: false },
    { person: 3, fate: 'answered', withKey: false, again: false },
  ])

/** Each spoils a run in one way; undefined where the run has nothing to be spoiled so. */
const mutations: Record<string, { readonly invariant: string; spoil(run: Run): Run | undefined }> = {
  'a confirmed write that is not in the log': {
    invariant: 'I2',
    spoil: (run) => {
      const lost = confirmed(run)
      return lost && { ...run, log: run.log.filter(({ user }) => user?.name !== lost.intent.name) }
    },
  },
  'a write that is confirmed under another id': {
    invariant: 'I2',
    spoil: (run) => changed(run, confirmed(run), (outcome) => ({ ...outcome, id: ulid() })),
  },
  'a request that was refused and is in the log': {
    invariant: 'I2',
    spoil: (run) => {
      const entry = run.log[0]
      const refused = { kind: 'refused', reason: 'unavailable' } as const
      const registrations = run.registrations.map((each) =>
        each.intent.name === entry?.user?.name ? { ...each, outcome: refused } : each,
      )
      return entry && { ...run, registrations }
    },
  },
  'a retry with its key that is not told the first outcome': {
    invariant: 'I2',
    spoil: (run) => {
      const written = run.registrations.find(
        ({ intent, outcome }) => intent.key !== undefined && outcome.kind === 'ok' && outcome.replayed,
      )
      return written && changed(run, written, () => ({ kind: 'refused', reason: ALREADY }))
    },
  },
  'an email that is registered in two streams': {
    invariant: 'I1',
    spoil: (run) => appended(run, (entry) => ({ ...entry, stream: `${entry.stream}x` })),
  },
  'an email that is registered twice in its stream': {
    invariant: 'I1',
    spoil: (run) => appended(run, (entry) => ({ ...entry, number: 2 })),
  },
  'an event that was applied twice': {
    invariant: 'I3',
    spoil: (run) => ({ ...run, states: run.states.map((state) => ({ ...state, total: state.total + 1 })) }),
  },
  'an event that was applied twice on the way': {
    invariant: 'I3',
    spoil: (run) => ({
      ...run,
      observations: run.observations.map((seen, index) => (index === 0 ? { ...seen, total: seen.total + 1 } : seen)),
    }),
  },
  'a row that is not in the log': {
    invariant: 'I3',
    spoil: (run) => ({
      ...run,
      states: run.states.map((state) => ({ ...state, users: state.users.map((user) => ({ ...user, name: 'other' })) })),
    }),
  },
  'a checkpoint that goes back': {
    invariant: 'I4',
    spoil: (run) => {
      const [first] = run.observations.filter(({ position }) => position > 0)
      const state = { service: 'one', file: '1', position: 0, total: 0, parked: 0 }
      return first && { ...run, observations: [...run.observations, state] }
    },
  },
  'a checkpoint past an event that is not applied': {
    invariant: 'I4',
    spoil: (run) => {
      const last = run.observations.at(-1)
      if (!last || last.total === 0) return undefined
      return { ...run, observations: [...run.observations, { ...last, total: last.total - 1 }] }
    },
  },
  'a rebuild that gives something else': {
    invariant: 'I5',
    spoil: (run) => ({ ...run, rebuilds: run.rebuilds.map((rebuild) => ({ ...rebuild, rebuilt: 'other' })) }),
  },
  'a query that ignores its token': {
    invariant: 'I6',
    spoil: (run) => {
      const asked = run.queries.find(({ token }) => token !== undefined)
      const stale = asked && { ...asked, position: 0, answer: asked.asked.kind === 'total' ? 0 : [] }
      return stale && { ...run, queries: run.queries.map((query) => (query === asked ? stale : query)) }
    },
  },
  'a query that misses what its position has': {
    invariant: 'I6',
    spoil: (run) => {
      const found = run.queries.find(({ answer }) => Array.isArray(answer) && answer.length > 0)
      return (
        found && { ...run, queries: run.queries.map((query) => (query === found ? { ...query, answer: [] } : query)) }
      )
    },
  },
  'queries that go back in time': {
    invariant: 'I6',
    spoil: (run) => {
      const [first, last] = [run.queries[0], run.queries.at(-1)]
      if (!first || !last || first.position === last.position) return undefined
      const late = { ...first, token: undefined, invoked: last.answered + 1, answered: last.answered + 2 }
      return { ...run, queries: [...run.queries, late] }
    },
  },
}

const confirmed = (run: Run) => run.registrations.find(({ outcome }) => outcome.kind === 'ok')

function changed(
  run: Run,
  registration: Registration | undefined,
  change: (outcome: Outcome) => Outcome,
): Run | undefined {
  const registrations = run.registrations.map((each) =>
    each === registration ? { ...each, outcome: change(each.outcome) } : each,
  )
  return registration && { ...run, registrations }
}

/** A second registration of the person that the last event is about, by an intent of its own. */
function appended(run: Run, change: (entry: LogEntry) => LogEntry): Run | undefined {
  const last = run.log.at(-1)
  const first = run.registrations.find(({ intent }) => intent.name === last?.user?.name)
  if (!last?.user || !first) return undefined
  const intent = { ...first.intent, name: 'the second' }
  const again = { ...last, position: last.position + 10, user: { ...last.user, id: ulid(), name: 'the second' } }
  const outcome = { kind: 'unknown', reason: 'no reply' } as const
  return {
    ...run,
    log: [...run.log, change(again)],
    registrations: [...run.registrations, { intent, invoked: 0, outcome }],
  }
}

describe('the checker', () => {
  it('finds nothing wrong with runs of a service without a fault', () => {
    fc.assert(
      fc.property(steps, (given) => {
        expect(check(honestRun(given))).toEqual([])
      }),
    )
  })

  it.each(Object.entries(mutations))('finds %s', (_, { invariant, spoil }) => {
    const spoiled = spoil(run())
    if (!spoiled) throw new Error('the run has nothing to be spoiled so')
    expect(check(spoiled).map((violation) => violation.invariant)).toContain(invariant)
  })

  it('finds any single fault in any run', () => {
    const mutation = fc.constantFrom(...Object.values(mutations))
    fc.assert(
      fc.property(steps, mutation, (given, { invariant, spoil }) => {
        const clean = honestRun(given)
        const spoiled = spoil(clean)
        fc.pre(spoiled !== undefined && JSON.stringify(spoiled) !== JSON.stringify(clean))
        expect(spoiled && check(spoiled).map((violation) => violation.invariant)).toContain(invariant)
      }),
    )
  })

  it('accepts what nobody knows the outcome of, written once or not at all', () => {
    const once = honestRun([{ person: 1, fate: 'reply lost', withKey: false, again: false }])
    const never = honestRun([{ person: 1, fate: 'never arrived', withKey: false, again: false }])
    expect([once.log.length, never.log.length]).toEqual([1, 0])
    expect([...check(once), ...check(never)]).toEqual([])
  })

  it('expects an event without sense to be parked with the rest of its stream, and others to be ignored', () => {
    const entry = (position: number, stream: string, type: string): LogEntry => {
      return { position, stream, number: 1, eventId: `e${position}`, type, created: 0, user: undefined }
    }
    const log = [entry(10, 'user-a', 'UserRegistered'), entry(20, 'user-a', 'Waved'), entry(30, 'user-b', 'Waved')]
    expect(new Fold(log).at(30)).toEqual({ total: 0, parked: 2 })
  })
})
