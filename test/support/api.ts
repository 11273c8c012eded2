import { randomUUID } from 'node:crypto'
import { z } from 'zod'

const user = z.object({ id: z.string(), name: z.string(), email: z.string(), created_at: z.string() })
const page = z.object({ _embedded: z.object({ users: z.array(user) }), count: z.number(), total: z.number() })

export type User = z.infer<typeof user>

export const anEmail = () => `${randomUUID()}@example.com`

/** A registration; `headers` for an Idempotency-Key. */
export function register(url: string, email: string, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${url}/user/registration`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ username: 'Ada Lovelace', email }),
  })
}

/** The users with this email: one or none. */
export async function find(url: string, email: string, headers: Record<string, string> = {}): Promise<User[]> {
  const response = await fetch(`${url}/users?email=${encodeURIComponent(email)}`, { headers })
  if (!response.ok) throw new Error(`GET /users: ${response.status} ${await response.text()}`)
  return page.parse(await response.json())._embedded.users
}

export async function total(url: string): Promise<number> {
  const response = await fetch(`${url}/users?limit=1`)
  if (!response.ok) throw new Error(`GET /users: ${response.status} ${await response.text()}`)
  return page.parse(await response.json()).total
}
