import { Metadata } from '@grpc/grpc-js'
import { expect, onTestFinished, test } from 'vitest'
import { Access, type Call } from '../../src/embedded-node/access.ts'
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

function guarded(): Access {
  const log = new Log(temporaryFolder())
  onTestFinished(() => log.close())
  const userOf = (call: Call) => {
    const name = callers.find((caller) => caller.call === call)?.name ?? ''
    const groups = users[name]
    return groups && { login: name, groups: new Set(groups) }
  }
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

test('administrators and operators run the node, by group or by the two names', () => {
  const access = guarded()
  expect(passing((call) => access.checkOperator(call))).toEqual(['admin', 'ops', 'root', 'oscar'])
})

test('statistics are for everybody with a login', () => {
  const access = guarded()
  expect(passing((call) => access.checkUser(call))).toEqual(Object.keys(users))
})

test('operators have no rights to streams by being that, nor do groups with names of logins', () => {
  const access = guarded()
  expect(passing((call) => access.check(call, 'read', '$all'))).toEqual(['admin', 'root'])
})

test('without users everybody may do everything', () => {
  const access = new Access()
  const everybody = callers.map(({ name }) => name)
  expect(passing((call) => access.checkOperator(call))).toEqual(everybody)
  expect(passing((call) => access.checkUser(call))).toEqual(everybody)
  expect(passing((call) => access.check(call, 'delete', '$$s'))).toEqual(everybody)
})
