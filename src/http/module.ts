import type { Hono } from 'hono'
import type { Position } from '../cqrs/event.ts'
import type { HalLink, Representation } from './hal.ts'
import type { Operation } from './operation.ts'
import type { Problems } from './problem.ts'

/** What a module puts into the API. */
export interface Module {
  /** Handlers, no middleware. They throw errors that `problems` names; any other error is answered with 500. */
  readonly routes: Hono<{ Variables: RouteVariables }>
  readonly problems: Problems
  /** Its links in the HAL root, by relation. */
  readonly links: Readonly<Record<string, HalLink>>
  /** What the API reference says of the routes. */
  readonly reference: readonly Operation[]
}

/** What the app gives to a module's routes with each request, as variables of Hono's context. */
export interface RouteVariables {
  requestId: string
  /** Set by the route: the position of the log that its answer reflects, for `Consistency-Token`. */
  position: Position | undefined
  /** The parsed body. Rejects with a problem where there is none that can be taken. */
  readJson: () => Promise<unknown>
  /**
   * Waits until the read model has reached the Consistency-Token of the request, if it carries one. The app does so
   * itself before each GET of a module. Rejects with a problem where the token is malformed or the time is up.
   */
  awaitToken: () => Promise<void>
  render: (resource: object) => Representation
  /** A response with the representation; on GET, 304 for a client that has it already. */
  send: (representation: Representation, status?: 200 | 201, headers?: Readonly<Record<string, string>>) => Response
}

export interface Variables extends RouteVariables {
  /** When the request came, by the monotonic clock, and the pattern of its route. */
  begun: { readonly route: string | undefined; readonly at: number }
  /** The response that already carries all that it must. */
  answer: Response | undefined
  /** Seconds of `Prefer: wait` that were taken into account. */
  appliedWait: number | undefined
}
