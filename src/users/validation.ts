/** What is wrong with one part of a request: exactly one of the three says which part. */
export type InvalidPart = { readonly detail: string } & (
  | { /** JSON Pointer (RFC 6901) into the body. */ readonly pointer: string }
  | { /** Name of a query parameter. */ readonly parameter: string }
  | { /** Name of a header field. */ readonly header: string }
)

/** A request is well-formed and says something that is not allowed. */
export class ValidationFailed extends Error {
  override readonly name = 'ValidationFailed'
  /** At least one; all that could be found at once. */
  readonly errors: readonly InvalidPart[]

  constructor(errors: readonly InvalidPart[]) {
    super('the request is not valid: see errors')
    this.errors = errors
  }
}
