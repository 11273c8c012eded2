import { createHash, randomBytes } from 'node:crypto'
import {
  type AllStreamResolvedEvent,
  END,
  type Position,
  type ReadPosition,
  type ResolvedEvent,
  START,
} from '@eventstore/db-client'
import type { Json } from './operations.ts'

/** The names of one run of a scenario: relative in the recording, under a fresh prefix in the store. */
export class Names {
  readonly prefix = `r${randomBytes(6).toString('hex')}`
  readonly seen: RawPosition[] = []
  readonly #ids = new Map<string, string>()
  readonly #marks = new Map<string, Position>()

  physical(stream: string): string {
    return stream.startsWith('$$') ? `$$${this.prefix}-${stream.slice(2)}` : `${this.prefix}-${stream}`
  }

  logical(stream: string): string {
    return stream.replaceAll(`${this.prefix}-`, '')
  }

  physicalGroup(group: string): string {
    return `${group}-${this.prefix}`
  }

  logicalGroup(group: string): string {
    return group.replace(`-${this.prefix}`, '')
  }

  physicalId(name: string): string {
    const hex = createHash('sha256').update(`${this.prefix} ${name}`).digest('hex')
    const id = `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`
    this.#ids.set(id, name)
    return id
  }

  logicalId(id: string): string {
    return this.#ids.get(id) ?? 'server'
  }

  /** Takes note of a position that no outcome tells. */
  see(position: Position | undefined): void {
    if (position !== undefined) this.seen.push(new RawPosition(position.commit))
  }

  mark(name: string, position: Position): void {
    this.#marks.set(name, position)
  }

  position(from: 'start' | 'end' | { after: string }): ReadPosition {
    if (from === 'start') return START
    if (from === 'end') return END
    const mark = this.#marks.get(from.after)
    if (mark === undefined) throw new Error(`There is no mark ${from.after}`)
    return mark
  }

  isOurs({ event, link }: ResolvedEvent | AllStreamResolvedEvent): boolean {
    return this.owns((link ?? event)?.streamId ?? '')
  }

  owns(stream: string): boolean {
    return stream.replace(/^\$\$/, '').startsWith(`${this.prefix}-`)
  }

  /** The outcome of an operation that failed. Throws the error again when it is none of the client's. */
  failure(error: unknown): unknown {
    if (!(error instanceof Error) || !('type' in error)) throw error
    const words: Readonly<Record<string, (value: string) => string>> = {
      streamName: (value) => this.logical(value),
      groupName: (value) => this.logicalGroup(value),
      expectedVersion: String,
      actualVersion: String,
    }
    const known = Object.entries(error).filter(([key]) => key in words)
    return {
      error: error.type,
      ...('code' in error && typeof error.code === 'number' ? { code: error.code } : {}),
      ...Object.fromEntries(known.map(([key, value]) => [key, words[key]?.(String(value))])),
      ...('maxAppendSize' in error ? { maxAppendSize: String(error.maxAppendSize) } : {}),
    }
  }
}

/** A commit position, until the scenario is over and its rank is known. */
export class RawPosition {
  readonly commit: bigint

  constructor(commit: bigint) {
    this.commit = commit
  }
}

export function positionsIn(value: unknown): bigint[] {
  const found = new Set<bigint>()
  const visit = (part: unknown): void => {
    if (part instanceof RawPosition) found.add(part.commit)
    else if (typeof part === 'object' && part !== null) for (const each of Object.values(part)) visit(each)
  }
  visit(value)
  return [...found].sort((a, b) => (a < b ? -1 : 1))
}

export function ranked(value: unknown, positions: readonly bigint[]): Json {
  if (value instanceof RawPosition) return `P${positions.indexOf(value.commit)}`
  if (Array.isArray(value)) return value.map((each) => ranked(each, positions))
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, ranked(each, positions)]))
  }
  if (value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean')
    return value
  throw new Error(`An outcome holds a ${typeof value}`)
}
