import { Counter, Gauge, type Registry } from 'prom-client'
import { type Admission, Overloaded } from '../cqrs/command-limit.ts'
import type { EntityStore } from '../cqrs/entity.ts'
import type { Event } from '../cqrs/event.ts'
import { refusalOf } from './outcomes.ts'

const OUTCOMES = ['accepted', 'refused', 'conflict', 'overloaded', 'unavailable', 'unknown', 'failed'] as const

type Outcome = (typeof OUTCOMES)[number]

export interface CommandMetrics {
  /** Counts what is not let in, and what is under way. What is let in counts itself. */
  admission(aggregate: string, admit: Admission, most: number): Admission
  /** Counts each command of a function that throws its refusals; `isRefusal` tells them from other errors. */
  command<Request, Result>(
    aggregate: string,
    execute: (request: Request) => Promise<Result>,
    isRefusal: (error: unknown) => boolean,
  ): (request: Request) => Promise<Result>
  /** Counts each command of an entity store. */
  store<Type extends string, State, E extends Event>(
    aggregate: string,
    store: EntityStore<Type, State, E>,
  ): EntityStore<Type, State, E>
}

export function commandMetrics(registry: Registry): CommandMetrics {
  const commands = new Counter({
    name: 'rollbook_commands_total',
    help: 'Commands by the aggregate that they are for and what became of them.',
    labelNames: ['aggregate', 'outcome'],
    registers: [registry],
  })
  const underWay = new Gauge({
    name: 'rollbook_commands_in_progress',
    help: 'Commands that run or wait for a place.',
    registers: [registry],
  })
  const limit = new Gauge({
    name: 'rollbook_commands_limit',
    help: 'Most commands that run at a time.',
    registers: [registry],
  })

  /** From the start on: what appears with its first event has no increase that an alert could see. */
  function begin(aggregate: string): void {
    for (const outcome of OUTCOMES) commands.inc({ aggregate, outcome }, 0)
  }

  async function counted<T>(aggregate: string, result: Promise<T>, isRefusal: (error: unknown) => boolean): Promise<T> {
    let outcome: Outcome = 'accepted'
    try {
      const decided = await result
      if (isRefused(decided)) outcome = 'refused'
      return decided
    } catch (error) {
      outcome = isRefusal(error) ? 'refused' : refusalOf(error)
      throw error
    } finally {
      commands.inc({ aggregate, outcome })
    }
  }

  return {
    admission(aggregate, admit, most) {
      limit.set(most)
      begin(aggregate)
      return async (command) => {
        underWay.inc()
        try {
          return await admit(command)
        } catch (error) {
          if (error instanceof Overloaded) commands.inc({ aggregate, outcome: 'overloaded' })
          throw error
        } finally {
          underWay.dec()
        }
      }
    },
    command: (aggregate, execute, isRefusal) => (request) => counted(aggregate, execute(request), isRefusal),
    store(aggregate, store) {
      const count = <T>(result: Promise<T>) => counted(aggregate, result, () => false)
      return {
        ...store,
        execAndPersist: (...parameters) => count(store.execAndPersist(...parameters)),
        loadExecAndPersist: (...parameters) => count(store.loadExecAndPersist(...parameters)),
        loadOrDefaultExecAndPersist: (...parameters) => count(store.loadOrDefaultExecAndPersist(...parameters)),
      }
    },
  }
}

/** Nothing, where there was no entity to command, is a refusal too. */
function isRefused(decided: unknown): boolean {
  return decided === undefined || (typeof decided === 'object' && decided !== null && 'refusal' in decided)
}
