import { Metadata } from '@grpc/grpc-js'
import { expect, onTestFinished, test } from 'vitest'
import { Access, type Call, mayCall, type User } from '../../src/embedded-node/access.ts'
import { Log } from '../../src/embedded-node/log.ts'
import { Streams } from '../../src/embedded-node/stream-state.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const users: Readonly<Record<string, readonly string[]>> = {
  admin: [],
  ops: [],
  root: ['$admins'],
  oscar: ['$ops'],
  ada: ['admin', 'ops'],
}

const callers: readonly { readonly name: string; readonly call: Call }[] = ['nobody', ...Object.keys(users)].map(
  (name) => ({ name, call: { metadata: new Metadata() } }),
)

function userOf(call: Call): User | undefined {
  const name = callers.find((caller) => caller.call === call)?.name ?? ''
  const groups = users[name]
  return groups && { login: name, groups: new Set(groups) }
}

function guarded(): Access {
  const log = new Log(temporaryFolder())
  onTestFinished(() => log.close())
  return new Access({ streams: new Streams(log), userOf })
}

/** Who gets through. */
function passing(check: (call: Call) => void): string[] {
  return callers.flatMap(({ name, call }) => {
    try {
      check(call)
      return [name]
    } catch (error) {
      expect(error).toMatchObject({ name: 'Failure', status: { code: 7, details: 'Access Denied' } })
      return []
    }
  })
}

test.each([
  ['streams.Streams/Read', callers.map(({ name }) => name)],
  ['gossip.Gossip/Read', callers.map(({ name }) => name)],
  ['server_features.ServerFeatures/GetSupportedMethods', callers.map(({ name }) => name)],
  ['monitoring.Monitoring/Stats', Object.keys(users)],
  ['persistent_subscriptions.PersistentSubscriptions/GetInfo', Object.keys(users)],
  ['persistent_subscriptions.PersistentSubscriptions/List', Object.keys(users)],
  ['persistent_subscriptions.PersistentSubscriptions/Create', ['admin', 'ops', 'root', 'oscar']],
  ['operations.Operations/Shutdown', ['admin', 'ops', 'root', 'oscar']],
  ['something.New/Method', ['admin', 'ops', 'root', 'oscar']],
])('%s may be called by %j', (method, expected) => {
  const may = callers.filter(({ call }) => mayCall(`/event_store.client.${method}`, userOf(call)))
  expect(may.map(({ name }) => name)).toEqual(expected)
})

test('operators have no rights to streams by being that, nor do groups with names of logins', () => {
  const access = guarded()
  expect(passing((call) => access.check(call, 'read', '$all'))).toEqual(['admin', 'root'])
})

test('without users everybody may do everything', () => {
  const access = new Access()
  const everybody = callers.map(({ name }) => name)
  expect(passing((call) => access.check(call, 'delete', '$$s'))).toEqual(everybody)
})
