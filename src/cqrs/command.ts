import type { EventOf, StateOf } from './aggregate.ts'
import type { Event } from './event.ts'

/**
 * Decides on a state: events, none where nothing is to change, or a refusal, which is a value. Pure; it may run more
 * than once, on newer states, before its events are accepted.
 */
export type AggregateCommand<State, E extends Event, R extends CommandError = never> = (
  this: void,
  state: State,
) => ProducedEvents<E> | R

export type ProducedEvents<E extends Event> = readonly E[]

/** Why a command was refused. The refusal is the module's own: an error class, a string, … */
export interface CommandError<Refusal = unknown> {
  readonly refusal: Refusal
}

/** A command of the aggregate: `CommandOf<typeof todo, AlreadyCompleted>`. */
export type CommandOf<A extends AnyAggregate, Refusal = never> = AggregateCommand<
  StateOf<A>,
  EventOf<A>,
  Refusal extends unknown ? CommandError<Refusal> : never
>

interface AnyAggregate {
  readonly initial: unknown
  apply(this: void, state: never, event: never): unknown
}

export function isProduced<E extends Event>(decision: ProducedEvents<E> | CommandError): decision is ProducedEvents<E> {
  return Array.isArray(decision)
}

/** @throws {TypeError} a command of untyped code gave something else. */
export function refusalOf<Decision>(decision: Decision): Extract<Decision, CommandError> {
  if (isRefused(decision)) return decision
  throw new TypeError(`a command gives an array of events or { refusal }, not ${String(decision)}`)
}

function isRefused<Decision>(decision: Decision): decision is Extract<Decision, CommandError> {
  return typeof decision === 'object' && decision !== null && 'refusal' in decision
}
