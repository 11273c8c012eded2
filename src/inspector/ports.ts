import type { EventNumber, Position } from '../cqrs/event.ts'

/** What the inspector needs of the read model of a running service. */
export interface InspectedReadModel {
  status(): ReadModelStatus
  /**
   * Looks at one state of the file.
   *
   * @throws {Error} named ReadModelNotReady: there is nothing to look at now.
   */
  look<T>(read: (file: InspectedFile) => T): T
  /**
   * Tries the parked events again and returns how many are applied now.
   *
   * @throws {Error} named ReadModelNotReady, or ProjectorFenced where another process feeds the file.
   */
  replayParked(): number
}

export interface ReadModelStatus {
  readonly state: 'replaying' | 'live' | 'reconnecting' | 'failed'
  readonly position: Position
  /** Events received and not applied; undefined where it is not known. */
  readonly lag: number | undefined
  readonly millisecondsWithoutProgress: number
  readonly parked: number
  readonly isServing: boolean
  readonly error?: Error
}

export interface InspectedFile {
  landing(event: { readonly stream: string; readonly type: string; readonly position: Position }): Landing
  /** In log order, after a position. */
  parked(after: Position, limit: number): readonly ParkedEvent[]
  parkedCount(): number
}

/** Where an event is in the read model. */
export type Landing =
  | { readonly kind: 'applied'; readonly rows: readonly Row[] }
  | { readonly kind: 'parked'; readonly error: string }
  | { readonly kind: 'pending' }
  | { readonly kind: 'unused' }

export interface Row {
  readonly table: string
  readonly columns: Readonly<Record<string, unknown>>
}

export interface ParkedEvent {
  readonly position: Position
  readonly stream: string
  readonly number: EventNumber
  readonly type: string
  readonly eventId: string
  readonly error: string
  /** ISO 8601. */
  readonly parkedAt: string
}

/** What the app gives to each route. Pages need nothing of it. */
export interface RouteVariables {
  requestId: string
  position: Position | undefined
  readJson: () => Promise<unknown>
  awaitToken: () => Promise<void>
  render: (resource: object) => Representation
  send: (representation: Representation, status?: 200 | 201, headers?: Readonly<Record<string, string>>) => Response
}

interface Representation {
  readonly body: Uint8Array<ArrayBuffer>
  readonly etag: string
}
