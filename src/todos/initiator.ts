import { z } from 'zod'

/** Who the commands of a request are by. The service believes what it is told: see docs/todos.md. */
export const initiatorHeader = z
  .string()
  .regex(/^[!-~]{1,255}$/, 'must be 1 to 255 visible ASCII characters')
  .meta({ description: 'Who the commands are by, where it is not anonymous. Recorded in the events.' })

/** @throws {InvalidInitiator} */
export function initiator(header: string | undefined): string {
  if (header === undefined) return 'anonymous'
  const { error } = initiatorHeader.safeParse(header)
  if (error) throw new InvalidInitiator(error.issues.map(({ message }) => message).join('; '))
  return header
}

export class InvalidInitiator extends Error {
  override readonly name = 'InvalidInitiator'
  readonly errors: readonly { readonly header: string; readonly detail: string }[]

  constructor(detail: string) {
    super('the request is not valid: see errors')
    this.errors = [{ header: 'X-Initiated-By', detail }]
  }
}
