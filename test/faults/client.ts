import { z } from 'zod'
import type { Asked, History, Intent, Outcome } from './history.ts'

/** Where requests go: a service may be restarted under another address. */
interface Server {
  readonly name: string
  readonly starts: number
  readonly url: string
}

/** No answer within so many milliseconds is none. Above all deadlines of the service. */
const PATIENCE = 30_000

const registeredUser = z.object({ id: z.string() })
const problem = z.object({ type: z.string(), outcome: z.enum(['unknown', 'not-appended']).optional() })
const page = z.object({ _embedded: z.object({ users: z.array(registeredUser) }), total: z.number() })

/** Asks a service, and records what it asked and what it was told. */
export class Client {
  readonly #history: History
  readonly #server: Server

  constructor(history: History, server: Server) {
    this.#history = history
    this.#server = server
  }

  register(intent: Intent): Promise<Outcome> {
    return this.#history.register(intent, async () => {
      try {
        return await this.#send(intent)
      } catch (error) {
        const reason = reasonOf(error)
        return { kind: reason === 'ECONNREFUSED' ? 'refused' : 'unknown', reason }
      }
    })
  }

  async #send({ name, email, key }: Intent): Promise<Outcome> {
    const response = await fetch(`${this.#server.url}/user/registration`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(key !== undefined && { 'idempotency-key': key }) },
      body: JSON.stringify({ username: name, email }),
      signal: AbortSignal.timeout(PATIENCE),
    })
    const body: unknown = await response.json()
    if (response.status === 201) {
      const token = Number(response.headers.get('consistency-token'))
      const replayed = response.headers.get('idempotency-replayed') === 'true'
      return { kind: 'ok', id: registeredUser.parse(body).id, token, replayed }
    }
    const { type, outcome } = problem.parse(body)
    const reason = type.replace('/problems/', '')
    const isKnown = response.status < 500 || outcome === 'not-appended' || reason === 'read-model-not-ready'
    return { kind: isKnown ? 'refused' : 'unknown', reason }
  }

  /** The ids of the users that answer to the email: one or none. Undefined where the query fails. */
  async find(intent: Pick<Intent, 'person' | 'email'>, token?: number): Promise<readonly string[] | undefined> {
    const asked = { kind: 'person', person: intent.person } as const
    const email = encodeURIComponent(intent.email.trim())
    return this.#query(asked, `email=${email}`, token, ({ _embedded: { users } }) => users.map(({ id }) => id))
  }

  async total(token?: number): Promise<number | undefined> {
    return this.#query({ kind: 'total' }, 'limit=1', token, ({ total }) => total)
  }

  async #query<T extends number | readonly string[]>(
    asked: Asked,
    search: string,
    token: number | undefined,
    answerOf: (body: z.infer<typeof page>) => T,
  ): Promise<T | undefined> {
    const { name, starts, url } = this.#server
    const service = `${name}, start ${starts}`
    const invoked = performance.now()
    try {
      const headers = token === undefined ? undefined : { 'consistency-token': String(token) }
      const signal = AbortSignal.timeout(PATIENCE)
      const response = await fetch(`${url}/users?${search}`, { signal, ...(headers && { headers }) })
      const text = await response.text()
      if (response.status !== 200) throw new Error(`${response.status} ${text}`)
      const answer = answerOf(page.parse(JSON.parse(text)))
      const position = Number(response.headers.get('consistency-token'))
      const answered = performance.now()
      this.#history.queries.push({ service, asked, token, invoked, answered, position, answer })
      return answer
    } catch (error) {
      this.#history.failedQueries.push(`${service}: ${reasonOf(error)}`)
      return undefined
    }
  }
}

function reasonOf(error: unknown): string {
  const cause = error instanceof Error ? (error.cause ?? error) : error
  if (cause instanceof Error && 'code' in cause && typeof cause.code === 'string') return cause.code
  return cause instanceof Error ? cause.message : String(cause)
}
