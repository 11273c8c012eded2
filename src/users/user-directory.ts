/** Users as queries see them: one consistent state of the read model. */
export interface UserDirectory {
  /** Users in all. Kept as a counter: costs the same for any number of users. */
  total(): number
  /**
   * One page, newest first. `before`: the users older than that position; `after`: those newer than it and nearest to
   * it; neither: the newest. `q`: only users in whose name or email it occurs, without case.
   */
  page(query: PageQuery): UserPage
  byEmail(canonical: string): UserRow | undefined
  byId(id: string): UserRow | undefined
}

interface PageQuery {
  readonly limit: number
  readonly before?: number
  readonly after?: number
  readonly q?: string
}

export interface UserPage {
  readonly users: readonly UserRow[]
  /** Whether there are older users that match. */
  readonly hasNext: boolean
  /** Whether there are newer users that match. */
  readonly hasPrev: boolean
}

export interface UserRow {
  /** Where the registration stands in the log. */
  readonly position: number
  readonly id: string
  readonly name: string
  /** As the user typed it. */
  readonly email: string
  /** When the event store recorded the registration: ISO 8601 in UTC. */
  readonly createdAt: string
}

export interface UserQueries {
  /**
   * All that `read` asks is answered from one state, that of `position`.
   *
   * @throws the error `ReadModelNotReady` where there is no read model yet
   */
  query<T>(read: (users: UserDirectory) => T): { readonly value: T; readonly position: number }
}
