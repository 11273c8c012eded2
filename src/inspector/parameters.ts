import type { Context } from 'hono'
import { z } from 'zod'

/**
 * The parameters of an address, which are its query.
 *
 * @throws {BadParameters}
 */
export function parametersOf<T>(c: Context, schema: z.ZodType<T>): T {
  const parsed = schema.safeParse(c.req.query())
  if (parsed.success) return parsed.data
  throw new BadParameters(parsed.error.issues.map(({ path, message }) => `${path.join('.')} ${message}`))
}

export class BadParameters extends Error {
  override readonly name = 'BadParameters'
  readonly issues: readonly string[]

  constructor(issues: readonly string[]) {
    super(`the address is not valid: ${issues.join('; ')}`)
    this.issues = issues
  }
}

/** As far as JavaScript counts exactly. */
const whole = z
  .string()
  .regex(/^\d{1,16}$/, 'must be a whole number')
  .transform(Number)
  .refine((number) => number < Number.MAX_SAFE_INTEGER, 'is larger than any event number')
const text = z.string('is missing').min(1, 'must not be empty')
const system = z.literal('1', 'must be 1 or left out').optional().transform(Boolean)
export const logQuery = z.object({ before: whole.optional(), system })
export const readModelQuery = z.object({ after: whole.optional(), applied: whole.optional() })
export const streamsQuery = z.object({
  q: z
    .string()
    .optional()
    .transform((q) => q?.trim() || undefined),
  system,
})
export const streamQuery = z.object({ name: text, before: whole.optional(), after: whole.optional() })
export const eventQuery = z.object({
  stream: text,
  number: whole.refine((number) => number >= 1, 'must be 1 or more'),
})
