import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { rollbook, startService, temporaryDirectory } from '../support/processes.ts'

const answer = z.object({ data: z.unknown() })
const created = z.object({ newTodo: z.object({ id: z.string() }) })

async function ask(url: string, query: string, headers: Record<string, string> = {}) {
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ query }),
  })
  const { data } = answer.parse(await response.json())
  return { data, token: response.headers.get('consistency-token') ?? '' }
}

describe('to-dos over GraphQL', () => {
  it('outlive a kill and a rebuild, the list as well as their history', async () => {
    const DATA_DIR = temporaryDirectory()
    const first = await startService({ DATA_DIR })
    const { id } = created.parse((await ask(first.url, 'mutation { newTodo(text: "Buy milk") { id } }')).data).newTodo
    const toggles = Array.from({ length: 21 }, (_, n) => `t${n}: toggle { version }`).join(' ')
    const { token } = await ask(first.url, `mutation { todo(id: "${id}") { ${toggles} } }`)
    first.process.kill('SIGKILL')
    await first.ended

    for (const command of ['rebuild', 'verify', 'status']) {
      const run = rollbook([command], { DATA_DIR })
      expect(await run.ended, run.output()).toBe(0)
    }
    const { url } = await startService({ DATA_DIR, NODE_ENV: 'production' })
    const shown = { id, description: 'Buy milk', completed: true, version: 22 }
    const { data } = await ask(
      url,
      `{ todo(id: "${id}") { id description completed version events(maxCount: 1) { sequence } }
         allTodos { totalCount edges { node { id description completed version } } } }`,
      { 'consistency-token': token },
    )
    expect(data).toEqual({
      todo: { ...shown, events: [{ sequence: 22 }] },
      allTodos: { totalCount: 1, edges: [{ node: shown }] },
    })
    expect((await ask(url, `mutation { todo(id: "${id}") { toggle { version } } }`)).data).toEqual({
      todo: { toggle: { version: 23 } },
    })
  })

  it('come with GraphiQL, but not in production', async () => {
    const development = await startService({ DATA_DIR: temporaryDirectory(), NODE_ENV: 'development' })
    const page = await fetch(`${development.url}/graphql`, { headers: { accept: 'text/html' } })
    expect(page.status).toBe(200)
    expect(page.headers.get('content-type')).toMatch(/^text\/html/)
    expect(await page.text()).toContain('YogaGraphiQL.renderYogaGraphiQL')
    const production = await startService({ DATA_DIR: temporaryDirectory(), NODE_ENV: 'production' })
    const refused = await fetch(`${production.url}/graphql`, { headers: { accept: 'text/html' } })
    expect(refused.status).toBe(405)
    expect(refused.headers.get('allow')).toBe('POST, OPTIONS')
  })

  it('are one list on two services, each change once', async () => {
    const one = await startService({ DATA_DIR: temporaryDirectory() })
    const store = /Event store: (esdb:\/\/[^\s"]+)/.exec(one.output())?.[1] ?? ''
    const other = await startService({ DATA_DIR: temporaryDirectory(), EVENTSTORE_URL: store })
    const { id } = created.parse((await ask(one.url, 'mutation { newTodo(text: "x") { id } }')).data).newTodo
    const toggle = `mutation { todo(id: "${id}") { toggle { version } } }`
    const answers = []
    for (let round = 0; round < 10; round++) {
      answers.push(...(await Promise.all([ask(one.url, toggle), ask(other.url, toggle)])))
    }
    const versions = answers.map(({ data }) => Number(Object(data).todo.toggle.version)).sort((a, b) => a - b)
    expect(versions).toEqual(Array.from({ length: 20 }, (_, n) => n + 2))
  })
})
