import type { z } from 'zod'

/** What the API reference says of one route. */
export interface Operation {
  readonly method: 'get' | 'post'
  /** With parameters in braces: `/users/{id}`. */
  readonly path: string
  /** Whether it answers from the read model: then it takes, and says, what all queries do. */
  readonly isQuery: boolean
  /** Unique in the API; what generated clients name it. */
  readonly id: string
  /** Of what the route is a part. */
  readonly tag: { readonly name: string; readonly description: string }
  readonly summary: string
  readonly description?: string
  readonly pathParameters?: z.ZodObject
  readonly query?: z.ZodObject
  readonly headers?: z.ZodObject
  /** In `application/json`. */
  readonly body?: { readonly schema: z.ZodType; readonly example: unknown }
  /** By status; problems are apart. */
  readonly answers: Readonly<Record<number, OperationAnswer>>
  /** Slugs of the problems that are this route's own: not those of all queries, and of all that takes a body. */
  readonly problems: readonly string[]
}

export interface OperationAnswer {
  readonly description: string
  readonly mediaType: string
  readonly schema: z.ZodType
  readonly example: unknown
  readonly headers?: z.ZodObject
}
