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
  const parsed = form.safeParse(body)
  const errors: InvalidPart[] = parsed.success ? [] : parsed.error.issues.map(invalidPart)
  if (idempotencyKey !== undefined && !/^[!-~]{1,255}$/.test(idempotencyKey)) {
    errors.push({ header: 'Idempotency-Key', detail: 'must be 1 to 255 visible ASCII characters' })
  }
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

const form = z.object(
  {
    username: requiredString().transform((sent, context) => {
      const name = userName(sent)
      if (!(name instanceof InvalidUserName)) return { sent, name }
      context.addIssue(name.reason)
      return z.NEVER
    }),
    email: requiredString().transform((sent, context) => {
      const canonical = canonicalEmail(sent)
      if (!(canonical instanceof InvalidEmail)) return { sent, canonical }
      context.addIssue(canonical.reason)
      return z.NEVER
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
