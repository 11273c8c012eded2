import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { EventStoreDBClient, jsonEvent } from '@eventstore/db-client'
import { expect, it, onTestFinished } from 'vitest'
import { z } from 'zod'
import { SECRET, startReceiver, status } from '../reactions/receiver.ts'
import { rollbook, startNode, startService, temporaryDirectory, waitUntil } from '../support/processes.ts'

const line = z.looseObject({ level: z.int(), time: z.int(), msg: z.string() })
const [debug, info] = [20, 30]

const linesOf = (output: string) =>
  output
    .trim()
    .split('\n')
    .map((text) => line.parse(JSON.parse(text)))

it('no line of the log has the name or the email of a user, whatever goes wrong, and one line is enough for each', async () => {
  const node = await startNode(temporaryDirectory())
  const receiver = await startReceiver()
  receiver.answer = status(500)
  const service = await startService({
    ...{ EVENTSTORE_URL: node.url, DATA_DIR: temporaryDirectory(), LOG_LEVEL: 'debug' },
    ...{ WEBHOOK_URL: receiver.url, WEBHOOK_SECRET: SECRET },
  })
  const { url } = service
  const send = (path: string, body: unknown, requestId: string) =>
    fetch(url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-request-id': requestId },
      body: JSON.stringify(body),
    })
  const lines = () => linesOf(service.output())
  const saying = (text: string | RegExp) =>
    lines().filter(({ msg }) => (typeof text === 'string' ? msg === text : text.test(msg)))

  // A webhook that fails, a conflict, a request that is not valid, paths and searches.
  const grace = { username: 'Grace Hopper', email: 'Grace.Hopper@Example.com' }
  expect((await send('/user/registration', grace, 'first')).status).toBe(201)
  expect((await send('/user/registration', grace, 'again')).status).toBe(409)
  expect((await send('/user/registration', { ...grace, email: 'Grace Hopper' }, 'wrong')).status).toBe(422)
  await fetch(`${url}/users?email=grace.hopper@example.com`)
  await fetch(`${url}/users?q=${encodeURIComponent('"Hopper" OR (')}`)
  await fetch(`${url}/users/grace.hopper@example.com`)
  await fetch(`${url}/grace.hopper@example.com`)
  await send('/graphql', { query: 'mutation { newTodo(text: "Call Grace Hopper") { id } }' }, 'todo')
  await send('/graphql', { query: 'mutation { newTodo(text: Grace Hopper) { id } }' }, 'no-graphql')
  await waitUntil(() => saying('reaction failed and is tried again').length > 0, 'the webhook to fail')

  // Events of somebody else that cannot be applied, nor told of.
  const client = EventStoreDBClient.connectionString(node.url)
  onTestFinished(() => client.dispose())
  const data = { id: 'Grace Hopper', name: 'Grace Hopper', email: 'hopper@example.com' }
  const metadata = { correlationId: 'theirs' }
  await client.appendToStream('user-hopper@example.com', jsonEvent({ type: 'UserRegistered', data, metadata }))
  await client.appendToStream(
    'user-Grace Hopper',
    jsonEvent({ type: 'UserRegistered', data: { ...grace, id: 7 }, metadata }),
  )
  await waitUntil(() => saying('an event was parked that could not be reacted to').length === 2, 'both to be parked')
  await waitUntil(() => saying('events were parked that cannot be applied').length > 0, 'the projector to park them')

  // The store goes away.
  node.process.kill('SIGKILL')
  await node.ended
  expect((await send('/user/registration', { ...grace, email: 'hopper@example.org' }, 'away')).status).toBe(503)
  await waitUntil(() => saying('projector is interrupted').length === 1, 'the loss to be seen')
  service.process.kill('SIGTERM')
  expect(await service.ended).toBe(0)

  expect(service.output()).not.toMatch(/grace|hopper/i)
  const all = lines()
  expect(saying(/^Rollbook is up\./)).toHaveLength(1)
  expect(saying(/^SIGTERM/)).toHaveLength(1)
  expect(saying('stopped')).toEqual([all.at(-1)])
  const requests = saying('a request was answered')
  expect(requests.map(({ level }) => level)).toEqual(requests.map(() => debug))
  for (const requestId of ['first', 'again', 'wrong', 'todo', 'no-graphql', 'away']) {
    expect(
      requests.filter((request) => request['requestId'] === requestId),
      requestId,
    ).toHaveLength(1)
  }
  // What is told at `info` of a request that could not be served is one line, with its id.
  expect(all.filter(({ level, requestId }) => level >= info && requestId !== undefined)).toEqual([
    expect.objectContaining({ level: 40, requestId: 'away', method: 'POST', route: '/user/registration' }),
  ])
  expect(saying('reaction failed and is tried again')[0]).toMatchObject({
    ...{ correlationId: 'first', type: 'UserRegistered', reason: 'the receiver answered 500' },
  })
  for (const parked of [
    ...saying('an event was parked that could not be reacted to'),
    ...saying(/cannot be applied$/),
  ]) {
    expect(parked).toMatchObject({
      correlationId: 'theirs',
      reason: expect.stringMatching(/^event 1 of user-….* is no valid/),
    })
  }
  const states = all.map(({ msg }) => msg).filter((msg) => /^(projector|reaction) is /.test(msg))
  expect(states).toEqual(states.filter((state, index) => state !== states[index - 1]))
})

it('a process that fails where nobody expected it says so in a line of the log', async () => {
  const preload = join(temporaryDirectory(), 'preload.mjs')
  writeFileSync(preload, "setTimeout(() => { throw new Error('lost grace@example.com') }, 1000)")
  const service = rollbook(['serve'], {
    ...{ EVENTSTORE_URL: 'esdb://127.0.0.1:1?tls=false', DATA_DIR: temporaryDirectory() },
    NODE_OPTIONS: `--import=${pathToFileURL(preload).href}`,
  })
  expect(await service.ended).toBe(1)
  expect(linesOf(service.output()).at(-1)).toMatchObject({
    ...{ level: 60, msg: 'unexpected error, the process ends' },
    err: { type: 'Error', message: 'lost …@…' },
  })
})
