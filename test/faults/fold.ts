import type { LogEntry } from './log.ts'

export interface Folded {
  /** How many registrations a read model must have counted. */
  readonly total: number
  /** How many events it must have set aside. */
  readonly parked: number
}

export interface FoldedUser {
  readonly position: number
  readonly id: string
  readonly name: string
  readonly email: string
}

/** What a read model must be at each position of the log, worked out without the service's code. */
export class Fold {
  /** In log order. */
  readonly users: readonly FoldedUser[]
  readonly #positions: number[] = []
  readonly #states: Folded[] = []

  constructor(log: readonly LogEntry[]) {
    const users: FoldedUser[] = []
    const parkedStreams = new Set<string>()
    const registeredStreams = new Set<string>()
    let parked = 0
    for (const { position, stream, type, user } of log) {
      const isPoison = type === 'UserRegistered' && (user === undefined || registeredStreams.has(stream))
      if (parkedStreams.has(stream) || isPoison) {
        parkedStreams.add(stream)
        parked++
      } else if (user) {
        registeredStreams.add(stream)
        users.push({ position, ...user })
      }
      this.#positions.push(position)
      this.#states.push({ total: users.length, parked })
    }
    this.users = users
  }

  at(position: number): Folded {
    let low = 0
    let high = this.#positions.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#positions[middle] ?? 0) <= position) low = middle + 1
      else high = middle
    }
    return this.#states[low - 1] ?? { total: 0, parked: 0 }
  }

  usersAt(position: number): readonly FoldedUser[] {
    return this.users.slice(0, this.at(position).total)
  }
}
