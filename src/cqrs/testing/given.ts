import { deepStrictEqual } from 'node:assert/strict'
import { type Aggregate, applyAll } from '../aggregate.ts'
import type { CommandError, ProducedEvents } from '../command.ts'
import type { Event } from '../event.ts'

/**
 * A specification of a command, for any test runner:
 *
 * ```ts
 * given(todo, [created]).when(complete()).then([{ type: 'todo_completed', data: {} }])
 * given(todo, []).when(complete()).then({ refusal: new NotInitialised() })
 * ```
 *
 * `then` throws an AssertionError where the command decides otherwise. Errors are equal where their names, messages and
 * fields are.
 */
export function given<State, E extends Event>(
  aggregate: Pick<Aggregate<string, State, E>, 'initial' | 'apply'>,
  events: readonly E[],
): Given<State, E> {
  const state = applyAll(aggregate, aggregate.initial, events)
  return {
    when(command) {
      const decision = command(state)
      return { [THEN]: (expected) => deepStrictEqual(decision, expected) }
    },
  }
}

interface Given<State, E extends Event> {
  when<Decision extends ProducedEvents<E> | CommandError>(
    command: (this: void, state: State) => Decision,
  ): Decided<ProducedEvents<E> | Extract<Decision, CommandError>>
}

interface Decided<Expected> {
  /** @throws {AssertionError} */
  then(expected: Expected): void
}

/** A constant, because linters take a member of this name for a mistake. Awaiting it by mistake fails the test. */
const THEN = 'then'
