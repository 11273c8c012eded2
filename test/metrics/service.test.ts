import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { EventStoreDBClient, jsonEvent } from '@eventstore/db-client'
import { describe, expect, it, onTestFinished } from 'vitest'
import { SECRET, startReceiver, status } from '../reactions/receiver.ts'
import { anEmail, find, register } from '../support/api.ts'
import { startNode, startService, temporaryDirectory, waitUntil } from '../support/processes.ts'
import { type Family, figureIn, parse } from './exposition.ts'

async function scrape(url: string): Promise<Family[]> {
  const response = await fetch(`${url}/metrics`)
  expect(response.status).toBe(200)
  expect(response.headers.get('Content-Type')).toBe('text/plain; version=0.0.4; charset=utf-8')
  expect(response.headers.get('Cache-Control')).toBe('no-store')
  return parse(await response.text())
}

const graphql = (url: string, query: string) =>
  fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query }),
  })

describe('GET /metrics of a service', () => {
  it('shows requests, commands, appends, the projector, the log and the embedded node', async () => {
    const { url } = await startService({ DATA_DIR: temporaryDirectory() })
    const email = anEmail()
    expect((await register(url, email)).status).toBe(201)
    expect((await register(url, email)).status).toBe(409)
    await graphql(url, 'mutation { newTodo(text: "Buy milk") { id } }')
    await find(url, email)
    const applied = async () => figureIn(await scrape(url), 'rollbook_projector_applied_events_total')
    await waitUntil(async () => (await applied()) === 2, 'both events to be applied')
    const families = await scrape(url)
    const figure = (name: string, labels?: Record<string, string>) => figureIn(families, `rollbook_${name}`, labels)

    const requests = 'http_request_duration_seconds_count'
    const registrations = { method: 'POST', route: '/user/registration' }
    expect(figure(requests, { ...registrations, status: '201' })).toBe(1)
    expect(figure(requests, { ...registrations, status: '409' })).toBe(1)
    expect(figure(requests, { method: 'GET', route: '/users', status: '200' })).toBeGreaterThan(0)
    expect(figure('commands_total', { aggregate: 'user', outcome: 'accepted' })).toBe(1)
    expect(figure('commands_total', { aggregate: 'user', outcome: 'refused' })).toBe(1)
    expect(figure('commands_total', { aggregate: 'todo', outcome: 'accepted' })).toBe(1)
    expect(figure('append_duration_seconds_count', { outcome: 'appended' })).toBe(2)
    expect(figure('append_duration_seconds_count', { outcome: 'conflict' })).toBe(1)
    expect(figure('projector_position')).toBe(figure('log_end_position'))
    for (const name of ['ready', 'event_store_connected', 'read_model_serving']) expect(figure(name), name).toBe(1)
    expect(figure('rebuild_in_progress')).toBe(0)
    expect(figure('rebuild_position')).toBeUndefined()
    expect(figure('node_events_total')).toBe(2)
    expect(figure('node_fsyncs_total')).toBe(2)
    expect(figure('node_commit_seconds_total')).toBeGreaterThan(0)
    expect(figure('node_connections')).toBeGreaterThan(0)
    expect(figure('node_log_bytes')).toBeGreaterThan(0)
    expect(figureIn(families, 'nodejs_eventloop_lag_p99_seconds')).toBeGreaterThanOrEqual(0)
  })

  it('gets no new label from a path, a method or a parameter that a client makes up', async () => {
    const { url } = await startService({ DATA_DIR: temporaryDirectory() })
    for (let times = 0; times < 10; times++) {
      for (const path of [`/${randomUUID()}`, `/users/${randomUUID()}`, `/problems/${randomUUID()}`, '/?x']) {
        await fetch(url + path)
      }
      await fetch(url, { method: 'PROPFIND' })
      await fetch(`${url}/users`, { method: 'OPTIONS' })
      await fetch(`${url}/${'x'.repeat(9_000)}`)
    }
    const families = await scrape(url)
    const counted = families.flatMap(({ samples }) =>
      samples.filter(({ name }) => name === 'rollbook_http_request_duration_seconds_count'),
    )
    // That was asked until it was ready.
    const asked = counted.filter(({ labels }) => labels['route'] !== '/health/ready')
    expect(asked.map(({ labels, value }) => [...Object.values(labels), value].join(' ')).sort()).toEqual([
      'GET / 200 10',
      'GET /problems/:slug 404 10',
      'GET /users/:id 404 10',
      'GET unmatched 404 10',
      'OPTIONS unmatched 204 10',
      'other unmatched 405 10',
    ])
    expect(figureIn(families, 'rollbook_http_refused_total', { status: '414' })).toBe(10)
    expect(figureIn(families, 'rollbook_http_connections')).toBeGreaterThan(0)
  })

  it('shows how far a rebuild is that another process makes', async () => {
    const DATA_DIR = temporaryDirectory()
    const { url } = await startService({ DATA_DIR })
    const program = fileURLToPath(new URL('../read-model/rebuild-half-way.mjs', import.meta.url))
    const rebuild = spawn(process.execPath, [program, join(DATA_DIR, 'read-model')])
    onTestFinished(() => void rebuild.kill('SIGKILL'))
    await once(rebuild.stdout, 'data')
    const during = await scrape(url)
    expect(figureIn(during, 'rollbook_rebuild_in_progress')).toBe(1)
    // It commits every 20,000 events.
    expect(figureIn(during, 'rollbook_rebuild_position')).toBe(20_000)
    rebuild.kill('SIGKILL')
    await once(rebuild, 'exit')
    const after = await scrape(url)
    expect(figureIn(after, 'rollbook_rebuild_in_progress')).toBe(0)
    expect(figureIn(after, 'rollbook_rebuild_position')).toBeUndefined()
  })

  it('shows reactions and parked events, and nothing of a node that it has not', async () => {
    const node = await startNode(temporaryDirectory())
    const receiver = await startReceiver()
    receiver.answer = status(500)
    const { url } = await startService({
      ...{ EVENTSTORE_URL: node.url, DATA_DIR: temporaryDirectory() },
      ...{ WEBHOOK_URL: receiver.url, WEBHOOK_SECRET: SECRET },
    })
    const client = EventStoreDBClient.connectionString(node.url)
    onTestFinished(() => client.dispose())
    await client.appendToStream(`user-${anEmail()}`, jsonEvent({ type: 'UserRegistered', data: { id: 'no ulid' } }))
    await register(url, anEmail())
    const labels = { reaction: 'webhooks' }
    await waitUntil(
      async () => figureIn(await scrape(url), 'rollbook_reaction_retrying_events', labels) === 1,
      'a webhook to be tried again',
    )
    const families = await scrape(url)
    const figure = (name: string, more = {}) => figureIn(families, `rollbook_${name}`, more)
    expect(figure('projector_parked_events')).toBe(1)
    expect(figure('reaction_parked_events', labels)).toBe(1)
    expect(figure('reaction_lag_events', labels)).toBe(1)
    expect(figure('reaction_state', { ...labels, state: 'live' })).toBe(1)
    expect(figure('reaction_position', labels)).toBeGreaterThan(0)
    const attempts = 'reaction_attempt_duration_seconds_count'
    expect(figure(attempts, { ...labels, outcome: 'failed' })).toBeGreaterThan(0)
    expect(figure(attempts, { ...labels, outcome: 'hopeless' })).toBe(1)
    expect(families.filter(({ name }) => name.startsWith('rollbook_node'))).toEqual([])

    node.process.kill('SIGKILL')
    await node.ended
    await waitUntil(
      async () => figureIn(await scrape(url), 'rollbook_event_store_connected') === 0,
      'the loss to be seen',
    )
    const without = await scrape(url)
    expect(figureIn(without, 'rollbook_ready')).toBe(0)
    expect(figureIn(without, 'rollbook_log_end_position')).toBeUndefined()
    expect(figureIn(without, 'rollbook_projector_lag_seconds')).toBeGreaterThan(0)
  })
})
