import { Webhook } from 'standardwebhooks'
import type { JsonObject, RecordedEvent } from '../cqrs/event.ts'
import { Hopeless, type Reaction, type ReactionPredicate, ReactionUnwanted, Throttled } from '../cqrs/reaction.ts'

/** How long a receiver may take to answer, in milliseconds. The specification recommends 15 to 30 seconds. */
const DELIVERY_TIMEOUT = 15_000

export interface WebhookOptions {
  /** Name of the reaction. */
  readonly name: string
  readonly predicate: ReactionPredicate
  /** Throws where the event is not what its type says that it is: then it is parked at once. */
  readonly message: (event: RecordedEvent) => WebhookMessage
  readonly url: string
  /** `whsec_` and 24 to 64 bytes in base64. */
  readonly secret: string
  /** In milliseconds, by the monotonic clock. */
  readonly timeout?: number
  /** Sends the requests; the global `fetch` by default. */
  readonly fetch?: (url: string, init: RequestInit) => Promise<Response>
}

export interface WebhookMessage {
  /** Delimited by full stops, as `user.registered`. */
  readonly type: string
  readonly data: JsonObject
}

/**
 * Posts events to one receiver by the Standard Webhooks specification
 * (https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md), signed with
 * HMAC-SHA256. The event's id is the `webhook-id`; `timestamp` in the body is when the event store recorded it.
 *
 * | answer | consequence |
 * | --- | --- |
 * | 2xx | delivered |
 * | 410 | {@link ReactionUnwanted} |
 * | 429, 502, 503, 504, or any other failure with `Retry-After` | {@link Throttled} |
 * | any other, redirects among them, which are not followed; none in time; none at all | tried again |
 */
export function webhooks(options: WebhookOptions): Reaction {
  const { name, predicate, message, url, secret, timeout = DELIVERY_TIMEOUT, fetch: send = fetch } = options
  const webhook = new Webhook(secret)
  return {
    name,
    predicate,
    async react(event, signal) {
      const body = bodyOf(event, message)
      const now = new Date()
      const overdue = AbortSignal.timeout(timeout)
      const response = await send(url, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          'user-agent': 'Rollbook',
          'webhook-id': event.id,
          'webhook-timestamp': String(Math.floor(now.getTime() / 1000)),
          'webhook-signature': webhook.sign(event.id, now, body),
        },
        body,
        redirect: 'manual',
        signal: AbortSignal.any([signal, overdue]),
      }).catch((error: unknown) => {
        throw new Error(overdue.aborted ? `no answer within ${timeout} ms` : `no answer: ${reasonOf(error)}`)
      })
      // What it says is not wanted, and may never end.
      await response.body?.cancel().catch(() => undefined)
      judge(response)
    },
  }
}

/** @throws {Hopeless} */
function bodyOf(event: RecordedEvent, message: WebhookOptions['message']): string {
  try {
    const { type, data } = message(event)
    return JSON.stringify({ type, timestamp: event.created.toISOString(), data })
  } catch (error) {
    throw new Hopeless(error instanceof Error ? error.message : String(error), { cause: error })
  }
}

function judge({ ok, status, headers }: Response): void {
  if (ok) return
  const reason = `the receiver answered ${status}`
  if (status === 410) throw new ReactionUnwanted(`${reason}: it wants no more webhooks`)
  const retryAfter = headers.get('retry-after')
  if (retryAfter !== null || [429, 502, 503, 504].includes(status)) throw new Throttled(reason, waitOf(retryAfter))
  throw new Error(reason)
}

/** Milliseconds from a number of seconds or an HTTP date (RFC 9110, section 10.2.3). */
function waitOf(retryAfter: string | null): number | undefined {
  if (retryAfter === null) return undefined
  const wait = /^\d+$/.test(retryAfter) ? Number(retryAfter) * 1000 : Date.parse(retryAfter) - Date.now()
  return Number.isFinite(wait) ? Math.max(0, wait) : undefined
}

/** Of a failed fetch: the name of the error that the connection ended with. The URL may be a secret and is not in it. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined
  if (cause instanceof Error) return 'code' in cause ? String(cause.code) : cause.message
  return error instanceof Error ? error.message : String(error)
}
