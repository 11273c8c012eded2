/** What a client wants: that this person is registered. It may have to ask several times. */
export interface Intent {
  /** The username that is sent, unique in the run: by it, the log tells whose request was written. */
  readonly name: string
  /** Whose mailbox it is, however the email is spelled. */
  readonly person: string
  /** As it is sent. */
  readonly email: string
  readonly key: string | undefined
}

export type Outcome =
  | { readonly kind: 'ok'; readonly id: string; readonly token: number; readonly replayed: boolean }
  /** The service says, or the connection shows, that nothing was written. */
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'unknown'; readonly reason: string }

export interface Registration {
  readonly intent: Intent
  /** Monotonic milliseconds. */
  readonly invoked: number
  readonly outcome: Outcome
}

export type Asked = { readonly kind: 'person'; readonly person: string } | { readonly kind: 'total' }

export interface Query {
  /** Which process answered. */
  readonly service: string
  readonly asked: Asked
  /** The Consistency-Token that was sent. */
  readonly token: number | undefined
  readonly invoked: number
  readonly answered: number
  /** The Consistency-Token of the answer: what it reflects. */
  readonly position: number
  /** Ids of users, or the total. */
  readonly answer: readonly string[] | number
}

const PENDING = 'not answered yet'

/** Everything that clients asked for in a run, and what they were told. */
export class History {
  readonly registrations: Registration[] = []
  readonly queries: Query[] = []
  /** Queries without an answer, or with an answer other than 200. */
  readonly failedQueries: string[] = []

  async register(intent: Intent, send: () => Promise<Outcome>): Promise<Outcome> {
    const invoked = performance.now()
    const index = this.registrations.length
    // Until it is answered: a run that ends before has not forgotten it.
    this.registrations.push({ intent, invoked, outcome: { kind: 'unknown', reason: PENDING } })
    const outcome = await send()
    this.registrations[index] = { intent, invoked, outcome }
    return outcome
  }

  get operations(): number {
    return this.registrations.length + this.queries.length + this.failedQueries.length
  }

  /** How many clients have given up on an answer, or were told that the outcome is not known. */
  get toldUnknown(): number {
    return this.registrations.filter(({ outcome }) => outcome.kind === 'unknown' && outcome.reason !== PENDING).length
  }

  count(kind: Outcome['kind']): number {
    return this.registrations.filter(({ outcome }) => outcome.kind === kind).length
  }
}
