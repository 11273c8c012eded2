import { Fold, type FoldedUser } from './fold.ts'
import type { Query, Registration } from './history.ts'
import type { LogEntry } from './log.ts'

export type Invariant = 'I1' | 'I2' | 'I3' | 'I4' | 'I5' | 'I6'

export interface Violation {
  readonly invariant: Invariant
  readonly what: string
}

/** One look at a read model's file, in one transaction. */
export interface Observation {
  /** Whose file it is. */
  readonly service: string
  /** A rebuild leaves the one before it behind, which may move on until the service has left it. */
  readonly file: string
  readonly position: number
  /** The counter of users, which an event applied twice raises twice. */
  readonly total: number
  readonly parked: number
}

export interface FinalState extends Observation {
  readonly users: readonly FoldedUser[]
  readonly digest: string
}

/** Both sides reflect the same position. */
export interface Rebuild {
  readonly service: string
  readonly live: string
  readonly rebuilt: string
}

export interface Record {
  readonly registrations: readonly Registration[]
  readonly queries: readonly Query[]
  /** In log order. */
  readonly log: readonly LogEntry[]
  /** Of each file in the order in which they were made. */
  readonly observations: readonly Observation[]
  /** Once nothing happens any more. */
  readonly states: readonly FinalState[]
  readonly rebuilds: readonly Rebuild[]
}

/** What is wrong with a run. Pure: the same record gives the same answer. */
export function check(record: Record): Violation[] {
  const fold = new Fold(record.log)
  const people = new Map(record.registrations.map(({ intent }) => [intent.name, intent.person]))
  const found = [
    ...unique(record.log, people),
    ...durable(record),
    ...exact(record.states, fold),
    ...checkpoints(record.observations, fold),
    ...deterministic(record.rebuilds),
    ...readYourWrites(record.queries, fold, people),
  ]
  // A file is looked at many times, and asked for the same many times.
  return [...new Map(found.map((violation) => [violation.what, violation])).values()]
}

function* unique(log: readonly LogEntry[], people: ReadonlyMap<string, string>): Iterable<Violation> {
  const streamOf = new Map<string, string>()
  for (const { stream, number, user, position } of log) {
    if (!user) continue
    const person = people.get(user.name)
    if (person === undefined) continue
    if (number !== 1) yield { invariant: 'I1', what: `${stream} has a registration at revision ${number - 1}` }
    const other = streamOf.get(person)
    if (other !== undefined) {
      yield { invariant: 'I1', what: `${person} is registered in ${other} and, at position ${position}, in ${stream}` }
    }
    streamOf.set(person, stream)
  }
}

function* durable({ registrations, log }: Record): Iterable<Violation> {
  const written = groupBy(log, ({ user }) => user?.name)
  const intents = groupBy(registrations, ({ intent }) => intent.name)
  const taken = new Set<string>()
  for (const [name, [first]] of intents) if (written.has(name)) taken.add(first.intent.person)
  for (const [name, attempts] of intents) {
    for (const what of durableIntent(attempts, written.get(name) ?? [], taken)) {
      yield { invariant: 'I2', what: `${name}: ${what}` }
    }
  }
}

function* durableIntent(
  attempts: Group<Registration>,
  entries: readonly LogEntry[],
  taken: ReadonlySet<string>,
): Iterable<string> {
  const { key, person } = attempts[0].intent
  const [entry] = entries
  const refusals = attempts.flatMap(({ outcome }) => (outcome.kind === 'refused' ? [outcome.reason] : []))
  if (entries.length > 1) yield `written ${entries.length} times`
  if (entry && refusals.length === attempts.length) yield `refused (${refusals[0]}), and written`
  if (entry && key !== undefined && refusals.includes(ALREADY)) yield 'repeated with its key, and refused'
  if (!taken.has(person) && refusals.includes(ALREADY)) yield 'refused for an email that nobody has'
  for (const { outcome } of attempts) {
    if (outcome.kind !== 'ok') continue
    if (!entry) yield `confirmed at position ${outcome.token}, and lost`
    else if (entry.user?.id !== outcome.id || entry.position !== outcome.token) {
      yield `confirmed as ${outcome.id} at ${outcome.token}, written as ${entry.user?.id} at ${entry.position}`
    }
  }
}

/** How a refusal says that the email is taken. */
export const ALREADY = 'email-already-registered'
export const OVERLOADED = 'overloaded'

function* exact(states: readonly FinalState[], fold: Fold): Iterable<Violation> {
  for (const { service, position, total, parked, users } of states) {
    const at = `${service} at position ${position}`
    const expected = fold.at(position)
    if (total !== expected.total) yield { invariant: 'I3', what: `${at} counts ${total} users, not ${expected.total}` }
    if (parked !== expected.parked) yield { invariant: 'I3', what: `${at} parks ${parked}, not ${expected.parked}` }
    const wanted = fold.usersAt(position)
    const different = Array.from({ length: Math.max(users.length, wanted.length) }, (_, index) => index).find(
      (index) => !isSameUser(users[index], wanted[index]),
    )
    if (different === undefined) continue
    const [found, want] = [users[different], wanted[different]].map((user) => JSON.stringify(user))
    yield { invariant: 'I3', what: `${at} has ${found} where the log has ${want}` }
  }
}

function isSameUser(one: FoldedUser | undefined, other: FoldedUser | undefined): boolean {
  return (
    one?.position === other?.position &&
    one?.id === other?.id &&
    one?.name === other?.name &&
    one?.email === other?.email
  )
}

function* checkpoints(observations: readonly Observation[], fold: Fold): Iterable<Violation> {
  const last = new Map<string, number>()
  for (const { service, file, position, total, parked } of observations) {
    const before = last.get(file) ?? 0
    if (position < before) yield { invariant: 'I4', what: `${service} went back from ${before} to ${position}` }
    last.set(file, position)
    const expected = fold.at(position)
    const missing = expected.total + expected.parked - total - parked
    if (missing > 0) yield { invariant: 'I4', what: `${service} is at ${position} without ${missing} events before it` }
    if (missing < 0) yield { invariant: 'I3', what: `${service} at ${position} applied ${-missing} events too many` }
  }
}

function* deterministic(rebuilds: readonly Rebuild[]): Iterable<Violation> {
  for (const { service, live, rebuilt } of rebuilds) {
    if (live !== rebuilt) yield { invariant: 'I5', what: `${service}: a rebuild gives ${rebuilt}, live is ${live}` }
  }
}

function* readYourWrites(
  queries: readonly Query[],
  fold: Fold,
  people: ReadonlyMap<string, string>,
): Iterable<Violation> {
  const usersOf = groupBy(fold.users, ({ name }) => people.get(name))
  for (const { service, asked, token = 0, position, answer } of queries) {
    const at = `${service} at ${position}`
    if (position < token) yield { invariant: 'I6', what: `${at} answered a query with the token ${token}` }
    const expected =
      asked.kind === 'total'
        ? fold.at(position).total
        : (usersOf.get(asked.person) ?? []).flatMap((user) => (user.position <= position ? [user.id] : []))
    if (String(answer) === String(expected)) continue
    const what = asked.kind === 'total' ? 'the total' : asked.person
    yield { invariant: 'I6', what: `${at} answered "${answer}" for ${what}, the log says "${expected}"` }
  }
  yield* neverBack(queries)
}

/** An answer that was there before a query was sent must not be newer than what the same service answers to that. */
function* neverBack(queries: readonly Query[]): Iterable<Violation> {
  const services = groupBy(queries, ({ service }) => service)
  for (const [service, ofService] of services) {
    const byInvocation = ofService.toSorted((a, b) => a.invoked - b.invoked)
    const byAnswer = ofService.toSorted((a, b) => a.answered - b.answered)
    let seen = 0
    let next = 0
    for (const { invoked, position } of byInvocation) {
      for (let earlier = byAnswer[next]; earlier && earlier.answered < invoked; earlier = byAnswer[++next]) {
        seen = Math.max(seen, earlier.position)
      }
      if (position < seen) yield { invariant: 'I6', what: `${service} answered at ${position} after ${seen}` }
    }
  }
}

type Group<T> = readonly [T, ...T[]]

function groupBy<T, K>(values: readonly T[], keyOf: (value: T) => K | undefined): Map<K, Group<T>> {
  const groups = new Map<K, [T, ...T[]]>()
  for (const value of values) {
    const key = keyOf(value)
    if (key === undefined) continue
    const group = groups.get(key)
    if (group) group.push(value)
    else groups.set(key, [value])
  }
  return groups
}
