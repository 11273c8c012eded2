import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { usersProjection } from '../../projections/users/projection.ts'
import { BuildProgress } from '../../src/read-model/build-progress.ts'
import { rebuild } from '../../src/read-model/rebuild.ts'
import { ScriptedLog } from '../support/scripted-log.ts'
import { eventually, registered, startReadModel, temporaryFolder } from './fixtures.ts'

const projections = [usersProjection]
const someone = registered(10, 'ada@x.org')

test('tells nothing where nothing is built: of no folder, an empty one, and one with a finished file', async () => {
  const dir = temporaryFolder()
  expect(new BuildProgress(`${dir}/missing`).position()).toBeUndefined()
  const progress = new BuildProgress(dir)
  expect(progress.position()).toBeUndefined()
  await rebuild({ log: new ScriptedLog().add(someone), dir, projections })
  expect(progress.position()).toBeUndefined()
})

test('tells how far another process is, beside a service or not, and nothing once that was killed', async () => {
  const dir = temporaryFolder()
  await rebuild({ log: new ScriptedLog().add(someone), dir, projections })
  const child = spawn(process.execPath, [fileURLToPath(new URL('rebuild-half-way.mjs', import.meta.url)), dir])
  const progress = new BuildProgress(dir)
  await once(child.stdout, 'data')
  // It commits every 20,000 events.
  await eventually(() => expect(progress.position()).toBe(20_000))
  child.kill('SIGKILL')
  await once(child, 'exit')
  expect(progress.position()).toBeUndefined()
})

test('tells how far the service itself is', async () => {
  const dir = temporaryFolder()
  const log = new ScriptedLog().addBatch({ events: [someone], position: 10, caughtUp: false })
  const readModel = startReadModel({ dir, log })
  const progress = new BuildProgress(dir)
  await eventually(() => expect(progress.position()).toBe(10))
  log.add(registered(20, 'bob@x.org'))
  await eventually(() => expect(readModel.status().isServing).toBe(true))
  expect(progress.position()).toBeUndefined()
})
