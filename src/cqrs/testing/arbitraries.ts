import fc from 'fast-check'
import { type Aggregate, applyAll } from '../aggregate.ts'
import { type CommandError, isProduced, type ProducedEvents } from '../command.ts'
import type { Event } from '../event.ts'
import { type EventCodec, versionsOf } from '../event-codec.ts'
import { toJson } from '../json.ts'
import { arbitraryData } from './arbitrary-data.ts'

type Module<State, E extends Event> = Pick<Aggregate<string, State, E>, 'initial' | 'apply' | 'codec'>

/** By event type: arbitraries of the data, for those that cannot be made from the schema or should be narrower. */
export type DataArbitraries = Readonly<Record<string, fc.Arbitrary<object>>>

/**
 * Events of the aggregate, all types alike. Their data comes from the arbitraries given, else from the schemas as far
 * as their library gives them as JSON Schema (zod does).
 *
 * @throws {RangeError} there is no event of that type, or a schema holds what JSON Schema cannot tell (bigint, Date,
 *   binary): give an arbitrary for that event.
 */
export function arbitraryEvent<E extends Event>(
  { codec }: { readonly codec: EventCodec<E> },
  given: DataArbitraries = {},
): fc.Arbitrary<E> {
  const types = Object.keys(codec.schemas)
  for (const type of Object.keys(given)) {
    if (!types.includes(type)) throw new RangeError(`there is no event ${type}, only ${types.join(', ')}`)
  }
  const ofEachType = Object.entries(codec.schemas).map(([type, definition]) => {
    const { schema, upcasters } = versionsOf(definition)
    const data = given[type] ?? arbitraryData(type, schema)
    return data.map((data) => eventOf(codec, type, data, upcasters.length + 1))
  })
  return fc.oneof(...ofEachType)
}

/** Any sequence of events: also those that no commands would give, which `apply` has to bear all the same. */
export function arbitraryEvents<E extends Event>(
  aggregate: { readonly codec: EventCodec<E> },
  given: DataArbitraries = {},
  size: fc.ArrayConstraints = {},
): fc.Arbitrary<readonly E[]> {
  return fc.array(arbitraryEvent(aggregate, given), size)
}

/** States that sequences of events fold to. */
export function arbitraryAggregate<State, E extends Event>(
  aggregate: Module<State, E>,
  events: fc.Arbitrary<readonly E[]> = arbitraryEvents(aggregate),
): fc.Arbitrary<State> {
  return events.map((events) => applyAll(aggregate, aggregate.initial, events))
}

/** Sequences of commands, and the events that they produce one after the other from the initial state. */
export function arbitraryHistory<State, E extends Event>(
  aggregate: Pick<Aggregate<string, State, E>, 'initial' | 'apply'>,
  command: fc.Arbitrary<(this: void, state: State) => ProducedEvents<E> | CommandError>,
  size: fc.ArrayConstraints = {},
): fc.Arbitrary<{ readonly state: State; readonly events: readonly E[] }> {
  return fc.array(command, size).map((commands) => {
    let [state, events]: [State, readonly E[]] = [aggregate.initial, []]
    for (const run of commands) {
      const decision = run(state)
      const produced = isProduced(decision) ? decision : []
      state = applyAll(aggregate, state, produced)
      events = [...events, ...produced]
    }
    return { state, events }
  })
}

/** The codec knows the type of the event, and whether the data is of it. */
function eventOf<E extends Event>(codec: EventCodec<E>, type: string, data: object, schemaVersion: number): E {
  const place = { id: 'arbitrary', stream: 'arbitrary', number: 1, position: 1, created: new Date(0) }
  return codec.decode({ ...place, type, data: toJson(data), metadata: { schemaVersion } })
}
