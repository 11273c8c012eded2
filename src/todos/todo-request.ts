import { ulid } from 'ulid'
import { z } from 'zod'
import type { IdOf } from '../cqrs/aggregate.ts'
import type { CommandOf } from '../cqrs/command.ts'
import type { Entity, EntityStore } from '../cqrs/entity.ts'
import type { Metadata, Position } from '../cqrs/event.ts'
import type { Precondition } from '../cqrs/precondition.ts'
import { create, type Todo, type TodoEvent, type TodoRefusal, todo } from './todo.ts'
import type { TodoQueries } from './todo-list.ts'

export interface TodoPorts {
  readonly store: EntityStore<'todo', Todo, TodoEvent>
  readonly queries: TodoQueries
  readonly clock: () => Date
}

/** A to-do as clients see it. */
export interface ShownTodo {
  readonly id: string
  readonly description: string
  /** ISO 8601 in UTC. */
  readonly reminder: string | null
  readonly completed: boolean
  readonly version: number
}

export interface ShownEvent {
  readonly sequence: number
  readonly event: TodoEvent
  /** Who caused it; null where its writer did not say. */
  readonly initiatedBy: string | null
}

type TodoId = IdOf<typeof todo>
type TodoCommand = CommandOf<typeof todo, TodoRefusal>

/** What one request does, and how far in the log its answer is up to date. */
export class TodoRequest {
  readonly #ports: TodoPorts
  readonly #metadata: Metadata
  #position: Position | undefined
  #lastCommand: Promise<unknown> = Promise.resolve()

  constructor(
    ports: TodoPorts,
    { requestId, initiatedBy }: { readonly requestId: string; readonly initiatedBy: string },
  ) {
    this.#ports = ports
    this.#metadata = { initiatedBy, correlationId: requestId, causationId: requestId }
  }

  /** Who comes back with this position sees in the list all that this request has shown and done. */
  get position(): Position | undefined {
    return this.#position
  }

  /** What is read from now on is at least as new as the read model is: the event store is ahead of it. */
  beginQuery(): void {
    try {
      this.#reflects(this.#ports.queries.query(() => undefined).position)
    } catch (error) {
      // Only the list needs the read model, and will say so.
      if (!(error instanceof Error) || error.name !== 'ReadModelNotReady') throw error
    }
  }

  now(): Date {
    return this.#ports.clock()
  }

  /** From the read model: one state of it. */
  list(first: number, before: Position | undefined) {
    const { value, position } = this.#ports.queries.query(({ todos }) => ({
      ...todos.page({ first, ...(before !== undefined && { before }) }),
      total: todos.total(),
    }))
    this.#reflects(position)
    return value
  }

  /** From the event store: as it is now. Undefined where it was never created. */
  async find(id: TodoId): Promise<ShownTodo | undefined> {
    const entity = await this.#ports.store.rehydrate(id)
    if (!entity) return undefined
    this.#reflects(await this.#positionOf(entity))
    return shown(entity)
  }

  /** From the event store: at most so many events, those with a number below `before`, the newest first. */
  async events(id: TodoId, before: number, maxCount: number): Promise<ShownEvent[]> {
    const found: ShownEvent[] = []
    const newestFirst = this.#ports.store.readEventsBackwards(id, before, maxCount)
    for await (const { number, event, metadata, position } of newestFirst) {
      this.#reflects(position)
      found.push({ sequence: number, event, initiatedBy: initiator.parse(metadata) })
    }
    return found
  }

  /** @throws {TodoRefusal | StoreUnavailable} */
  create(description: string, reminder: Date | undefined): Promise<ShownTodo | undefined> {
    const id = todo.id(ulid())
    return this.#inOrder(() => this.#execute(id, create(description, reminder, this.now()), 'new'))
  }

  /**
   * The to-do after the command. Commands of one request run one after the other, in the order of the calls; one that
   * fails does not keep the next from running.
   *
   * @param expectedVersion where undefined, the command runs on whatever version there is
   * @throws {TodoRefusal | PreconditionFailed | StreamDeleted | StoreUnavailable}
   */
  change(id: TodoId, command: TodoCommand, expectedVersion: number | undefined): Promise<ShownTodo | undefined> {
    const precondition = expectedVersion === undefined ? undefined : { version: expectedVersion }
    return this.#inOrder(() => this.#execute(id, command, precondition))
  }

  async #execute(id: TodoId, command: TodoCommand, precondition: Precondition | undefined) {
    const options = { metadata: this.#metadata, ...(precondition !== undefined && { precondition }) }
    const result = await this.#ports.store.loadOrDefaultExecAndPersist(id, command, options)
    if ('refusal' in result) throw result.refusal
    this.#reflects(result.position ?? (await this.#positionOf(result.entity)))
    return shown(result.entity)
  }

  #inOrder<T>(step: () => Promise<T>): Promise<T> {
    const result = this.#lastCommand.then(step, step)
    this.#lastCommand = result
    return result
  }

  /** Where its last event stands in the log. */
  async #positionOf({ id, version }: Entity<'todo', Todo>): Promise<Position | undefined> {
    let last: Position | undefined
    // Not left early: a store may take many reads that are broken off for an attack.
    for await (const { position } of this.#ports.store.readEventsBackwards(id, version + 1, 1)) last = position
    return last
  }

  #reflects(position: Position | undefined): void {
    if (position !== undefined) this.#position = Math.max(position, this.#position ?? 0)
  }
}

const initiator = z
  .object({ initiatedBy: z.string() })
  .transform(({ initiatedBy }) => initiatedBy)
  .nullable()
  .catch(null)

function shown({ id, version, state }: Entity<'todo', Todo>): ShownTodo | undefined {
  return state.created ? { id, version, ...state } : undefined
}
