import { createHash, randomFillSync, randomUUID } from 'node:crypto'
import { ulid } from 'ulid'
import { z } from 'zod'
import { streamOf } from '../cqrs/aggregate.ts'
import { within } from '../cqrs/deadline.ts'
import type { Position, RecordedEvent } from '../cqrs/event.ts'
import {
  type Appended,
  type EventSink,
  type EventSource,
  StoreUnavailable,
  StreamDeleted,
} from '../cqrs/event-store.ts'
import { PreconditionFailed } from '../cqrs/precondition.ts'
import { EmailAlreadyRegistered, registerUser, user } from './user.ts'

export interface RegistrationRequest {
  /** Valid by the rules of `userName`. */
  readonly name: string
  /** As the user typed it, without white space around it. */
  readonly email: string
  readonly canonicalEmail: string
  /** The values as they were sent: what decides whether a later request is the same one. */
  readonly sent: { readonly username: string; readonly email: string }
  /** Recorded in the event as its correlation and causation. */
  readonly requestId: string
  readonly idempotencyKey: string | undefined
}

interface Registered {
  readonly user: { readonly id: string; readonly name: string; readonly email: string; readonly createdAt: Date }
  /** Where the registration stands in the log. */
  readonly position: Position
  /** Whether this is the answer to an earlier request with the same idempotency key, given again. */
  readonly replayed: boolean
}

/**
 * Registers a user, once: of any number of concurrent requests for one email, in any number of processes, one succeeds.
 *
 * @throws {EmailAlreadyRegistered}
 * @throws {IdempotencyKeyReused}
 * @throws {StoreUnavailable} with the outcome `unknown`, the user may be registered. The same request with the same
 *   idempotency key then gives the first answer.
 */
export type Register = (request: RegistrationRequest) => Promise<Registered>

/**
 * Nothing is read before the append: the stream's name and the precondition decide.
 *
 * @param deadline milliseconds for all that a registration asks of the store: the append, and the read after a conflict
 */
export function registration(store: Store, deadline = 5_000): Register {
  return (request) => within(deadline, register(store, request))
}

type Store = EventSink & Pick<EventSource, 'read'>

async function register(store: Store, request: RegistrationRequest): Promise<Registered> {
  const stream = streamOf(user, user.id(request.canonicalEmail))
  const { name, email, requestId } = request
  const decision = registerUser({ id: ulid(Date.now(), randomFraction), name, email })(user.initial)
  if ('refusal' in decision) throw decision.refusal
  const [registered] = decision
  const idempotency = request.idempotencyKey === undefined ? undefined : fingerprint(request, request.idempotencyKey)
  const event = user.codec.encode(randomUUID(), registered, {
    correlationId: requestId,
    causationId: requestId,
    ...(idempotency && { idempotency }),
  })
  try {
    const appended = await store.append(stream, [event], 'new')
    const createdAt = await recordedAt(appended)
    return { user: { ...registered.data, createdAt }, position: appended.position, replayed: false }
  } catch (error) {
    if (error instanceof PreconditionFailed) return replay(await firstEvent(store, stream), idempotency)
    // The stream of a user who was erased for good. Its email stays taken.
    if (error instanceof StreamDeleted) throw new EmailAlreadyRegistered()
    throw error
  }
}

/** The idempotency key was used for this email before, with another body. */
export class IdempotencyKeyReused extends Error {
  override readonly name = 'IdempotencyKeyReused'

  constructor() {
    super('this Idempotency-Key was used for this email before, with another body: a new request needs a new key')
  }
}

type Fingerprint = z.infer<typeof fingerprintSchema>

/** Hashes only: keys may be secrets, and one key used for two emails must not link them. */
const fingerprintSchema = z.object({ key: z.string(), body: z.string() })

const metadataSchema = z.object({ idempotency: fingerprintSchema })

function fingerprint({ canonicalEmail, sent }: RegistrationRequest, key: string): Fingerprint {
  return { key: sha256(canonicalEmail, key), body: sha256(sent.username, sent.email) }
}

function sha256(...parts: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('base64url')
}

/** The first answer, if the first event of the stream was caused by the same request. */
function replay(first: RecordedEvent | undefined, now: Fingerprint | undefined): Registered {
  const metadata = metadataSchema.safeParse(first?.metadata)
  if (!first || !now || !metadata.success || metadata.data.idempotency.key !== now.key) {
    throw new EmailAlreadyRegistered()
  }
  if (metadata.data.idempotency.body !== now.body) throw new IdempotencyKeyReused()
  const { data } = user.codec.decode(first)
  return { user: { ...data, createdAt: first.created }, position: first.position, replayed: true }
}

async function recordedAt(appended: Appended): Promise<Date> {
  try {
    return await appended.recordedAt()
  } catch (error) {
    // The user is registered, but the answer is not complete: to the caller, the outcome is not known.
    throw new StoreUnavailable('the registration could not be read back', 'unknown', { cause: error })
  }
}

async function firstEvent(store: Pick<EventSource, 'read'>, stream: string): Promise<RecordedEvent | undefined> {
  let first: RecordedEvent | undefined
  for await (const event of store.read(stream, 0, 1)) first = event
  return first
}

/** Drawn in advance: the library asks for 16 numbers for each id, and asking the system for each takes longer. */
const entropy = new Uint8Array(4_096)
let used = entropy.length

function randomFraction(): number {
  if (used === entropy.length) {
    randomFillSync(entropy)
    used = 0
  }
  return (entropy[used++] ?? 0) / 256
}
