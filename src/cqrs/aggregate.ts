import type { Event } from './event.ts'

/** Consistency boundary: its events live in one stream, and folding them gives the state that commands decide on. */
export interface Aggregate<State, E extends Event> {
  /** Also the category of its streams: the stream of the aggregate `id` is `<type>-<id>`. */
  readonly type: string
  readonly initial: State
  /** Pure. Must accept every event that a command of the aggregate has ever produced. */
  apply(state: State, event: E): State
}

export function streamOf(aggregate: { readonly type: string }, id: string): string {
  return `${aggregate.type}-${id}`
}
