/** To-dos as the list shows them: one consistent state of the read model. */
export interface TodoList {
  /** To-dos in all. Kept as a counter: costs the same for any number of to-dos. */
  total(): number
  /** The `first` to-dos older than the position `before`, newest first; the newest of all where there is none. */
  page(request: { readonly first: number; readonly before?: number }): TodoPage
}

export interface TodoPage {
  readonly todos: readonly TodoRow[]
  /** Whether there are older ones. */
  readonly hasNext: boolean
}

export interface TodoRow {
  /** Where the creation stands in the log. */
  readonly position: number
  readonly id: string
  readonly description: string
  /** ISO 8601 in UTC. */
  readonly reminder: string | null
  readonly completed: boolean
  /** Number of its last event that the read model reflects. */
  readonly version: number
}

export interface TodoQueries {
  /**
   * All that `read` asks is answered from one state, that of `position`.
   *
   * @throws the error `ReadModelNotReady` where there is no read model yet
   */
  query<T>(read: (queries: { readonly todos: TodoList }) => T): { readonly value: T; readonly position: number }
}
