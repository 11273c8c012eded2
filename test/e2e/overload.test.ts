import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { anEmail, register, total } from '../support/api.ts'
import { startNode, startService, temporaryDirectory, waitUntil } from '../support/processes.ts'

const MAX_COMMANDS = 3

it('a service whose event store hangs refuses what is too much at once, goes on with queries, and recovers', async () => {
  const node = await startNode(temporaryDirectory())
  const environment = { EVENTSTORE_URL: node.url, DATA_DIR: temporaryDirectory(), MAX_COMMANDS: String(MAX_COMMANDS) }
  const { url, output } = await startService(environment)
  expect((await register(url, anEmail())).status).toBe(201)
  expect((await graphql(url, 'mutation { newTodo(text: "first") { id } }')).status).toBe(200)

  node.process.kill('SIGSTOP')
  const isStopped = () => / T /.test(readFileSync(`/proc/${node.process.pid}/stat`, 'utf8'))
  await waitUntil(isStopped, 'the store to hang')
  const sent = Array.from({ length: MAX_COMMANDS + 1 }, () => register(url, anEmail()))
  // Of one too many, one is answered, and the others have taken every place.
  expect((await Promise.race(sent)).status).toBe(503)
  const refused = anEmail()

  const started = performance.now()
  const refusals = [await register(url, refused), await graphql(url, 'mutation { newTodo(text: "more") { id } }')]
  expect(performance.now() - started).toBeLessThan(1_000)
  for (const refusal of refusals) {
    expect(refusal.status).toBe(503)
    expect(refusal.headers.get('retry-after')).toBe('1')
    expect(refusal.headers.get('content-type')).toBe('application/problem+json')
    expect(await refusal.json()).toMatchObject({ type: '/problems/overloaded', outcome: 'not-appended' })
  }
  expect(await total(url)).toBe(1)
  const list = await graphql(url, '{ allTodos(first: 1) { totalCount } }')
  expect(await list.json()).toEqual({ data: { allTodos: { totalCount: 1 } } })
  expect((await fetch(`${url}/health/live`)).status).toBe(200)

  node.process.kill('SIGCONT')
  const statuses = (await Promise.all(sent)).map(({ status }) => status).sort()
  expect(statuses).toEqual([...Array.from({ length: MAX_COMMANDS }, () => 201), 503])
  // Nothing was written when it was refused: else this would be 409.
  expect((await register(url, refused)).status).toBe(201)
  await waitUntil(async () => (await fetch(`${url}/health/ready`)).ok, 'it to be ready')
  expect(output().match(/overloaded: commands are refused/g)).toHaveLength(1)
})

function graphql(url: string, query: string): Promise<Response> {
  const headers = { 'content-type': 'application/json' }
  return fetch(`${url}/graphql`, { method: 'POST', headers, body: JSON.stringify({ query }) })
}
