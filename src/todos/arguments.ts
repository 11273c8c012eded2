import { z } from 'zod'
import type { IdOf } from '../cqrs/aggregate.ts'
import { todo } from './todo.ts'

/** The id of a to-do in its canonical spelling, in upper case. @throws {InvalidArgument} */
export function todoId(id: string): IdOf<typeof todo> {
  if (!z.ulid().safeParse(id).success) throw new InvalidArgument('id', 'must be a ULID: 26 characters of base 32')
  return todo.id(id.toUpperCase())
}

/** How many a client wants: 50 where it does not say. @throws {InvalidArgument} */
export function pageSize(argument: string, size: number | null | undefined): number {
  const wanted = size ?? defaultPageSize
  if (wanted < 1 || wanted > maxPageSize) throw new InvalidArgument(argument, `must be from 1 to ${maxPageSize}`)
  return wanted
}

/** How many items a field may answer with at most, for its cost. Says nothing of whether the size is allowed. */
export function mostItems(size: number | null | undefined): number {
  return Math.min(size ?? defaultPageSize, maxPageSize)
}

const defaultPageSize = 50
const maxPageSize = 200

/** The number of an event, or of the version that it led to, where the client gives one. @throws {InvalidArgument} */
export function eventNumber(argument: string, number: number | null | undefined): number | undefined {
  if (number === null || number === undefined) return undefined
  if (number < 1) throw new InvalidArgument(argument, 'must be a whole number from 1')
  return number
}

/** Opaque to clients: where the list goes on after a to-do. */
export function encodeCursor(position: number): string {
  return Buffer.from(`todo:${position}`).toString('base64url')
}

/** The position after which the page begins, where the client gives one. @throws {InvalidArgument} */
export function decodeCursor(argument: string, cursor: string | null | undefined): number | undefined {
  if (cursor === null || cursor === undefined) return undefined
  const [, digits] = /^todo:(\d{1,16})$/.exec(Buffer.from(cursor, 'base64url').toString('latin1')) ?? []
  const position = Number(digits)
  if (Number.isSafeInteger(position) && encodeCursor(position) === cursor) return position
  throw new InvalidArgument(argument, 'must be a cursor of an edge, or an endCursor')
}

/** An argument has a value of the right type that is not allowed. */
export class InvalidArgument extends Error {
  override readonly name = 'InvalidArgument'
  readonly argument: string

  constructor(argument: string, reason: string) {
    super(`the argument ${argument} ${reason}`)
    this.argument = argument
  }
}
