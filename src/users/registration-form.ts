import { z } from 'zod'
import { canonicalEmail, InvalidEmail } from './email.ts'
import type { RegistrationRequest } from './registration.ts'
import { InvalidUserName, userName } from './user-name.ts'
import { type InvalidPart, ValidationFailed } from './validation.ts'

/**
 * Reads a registration from a JSON body and an `Idempotency-Key`. Members of the body that it does not know are
 * ignored, so that clients may be newer than the service.
 *
 * @throws {ValidationFailed} with every field that fails
 */
export function registrationForm(
  body: unknown,
  idempotencyKey: string | undefined,
  requestId: string,
): RegistrationRequest {
  const parsed = registrationBody.safeParse(body)
  const errors: InvalidPart[] = parsed.success ? [] : parsed.error.issues.map(invalidPart)
  const key = idempotencyKeyHeader.optional().safeParse(idempotencyKey)
  for (const { message } of key.error?.issues ?? []) errors.push({ header: 'Idempotency-Key', detail: message })
  if (!parsed.success || errors.length > 0) throw new ValidationFailed(errors)
  const { username, email } = parsed.data
  return {
    name: username.name,
    email: email.sent.trim(),
    canonicalEmail: email.canonical,
    sent: { username: username.sent, email: email.sent },
    requestId,
    idempotencyKey,
  }
}

/** Of a command; its scope is the email, and it never expires. */
export const idempotencyKeyHeader = z
  .string()
  .regex(/^[!-~]{1,255}$/, 'must be 1 to 255 visible ASCII characters')
  .meta({
    description: 'Makes a retry safe: a repeated request is told what the first one was. Its scope is the email.',
  })

export const registrationBody = z.object(
  {
    username: requiredString()
      .transform((sent, context) => {
        const name = userName(sent)
        if (!(name instanceof InvalidUserName)) return { sent, name }
        context.addIssue(name.reason)
        return z.NEVER
      })
      .meta({
        description: 'What the user is called: 1 to 255 characters as users count them, no control characters.',
      }),
    email: requiredString()
      .transform((sent, context) => {
        const canonical = canonicalEmail(sent)
        if (!(canonical instanceof InvalidEmail)) return { sent, canonical }
        context.addIssue(canonical.reason)
        return z.NEVER
      })
      .meta({
        description: 'One address of at most 254 characters. All spellings that reach one mailbox are one email.',
      }),
  },
  { error: 'must be a JSON object' },
)

function requiredString() {
  return z.string({ error: ({ input }) => (input === undefined ? 'is required' : 'must be a string') })
}

function invalidPart({ path, message }: z.core.$ZodIssue): InvalidPart {
  return { pointer: path.map((segment) => `/${String(segment)}`).join(''), detail: message }
}
