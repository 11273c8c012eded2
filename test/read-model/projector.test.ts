import { expect, test } from 'vitest'
import { usersProjection } from '../../projections/users/projection.ts'
import { StoreReplaced } from '../../src/read-model/projector.ts'
import { ReadModelNotReady } from '../../src/read-model/read-model.ts'
import { ProjectorFenced } from '../../src/read-model/writer.ts'
import { ScriptedLog } from '../support/scripted-log.ts'
import { emails, eventually, poison, registered, startReadModel, temporaryFolder, total } from './fixtures.ts'

test('goes on after the stored checkpoint when it starts again', async () => {
  const dir = temporaryFolder()
  const log = new ScriptedLog().add(registered(10, 'a@x.org'))
  const first = startReadModel({ dir, log })
  expect(await first.reached(10, 5_000)).toBe(true)
  await first.close()
  log.add(registered(20, 'b@x.org'))
  const second = startReadModel({ dir, log })
  expect(await second.reached(20, 5_000)).toBe(true)
  expect(emails(second)).toEqual(['b@x.org', 'a@x.org'])
  expect(log.subscriptions).toEqual([undefined, 10])
})

test('subscribes again after the last applied event when the subscription is lost, and says so meanwhile', async () => {
  const log = new ScriptedLog().add(registered(10, 'a@x.org'))
  const readModel = startReadModel({ dir: temporaryFolder(), log })
  await eventually(() =>
    expect(readModel.status()).toMatchObject({ state: 'live', lag: 0, millisecondsWithoutProgress: 0 }),
  )
  log.cut()
  await eventually(() =>
    expect(readModel.status()).toMatchObject({ state: 'reconnecting', lag: undefined, isServing: true }),
  )
  await eventually(() => expect(readModel.status().millisecondsWithoutProgress).toBeGreaterThan(200))
  expect(readModel.status().error?.name).toBe('StoreUnavailable')
  expect(emails(readModel)).toEqual(['a@x.org'])
  log.add(registered(20, 'b@x.org')).restore()
  expect(await readModel.reached(20, 10_000)).toBe(true)
  expect(total(readModel)).toBe(2)
  expect(log.subscriptions).toEqual([undefined, 10])
  expect(readModel.status()).not.toHaveProperty('error')
})

test('shows parked events, and applies them at the next start with the fixed code', async () => {
  const dir = temporaryFolder()
  const log = new ScriptedLog().add(poison(10, 'bad@x.org'), registered(20, 'b@x.org'))
  const broken = { ...usersProjection, prepare: () => ({ UserRegistered: () => JSON.parse('{') }) }
  const first = startReadModel({ dir, log, projections: [broken] })
  expect(await first.reached(20, 5_000)).toBe(true)
  expect(first.status()).toMatchObject({ state: 'live', parked: 2 })
  await first.close()
  const second = startReadModel({ dir, log })
  await eventually(() => expect(second.status()).toMatchObject({ state: 'live', parked: 1 }))
  expect(emails(second)).toEqual(['b@x.org'])
})

test('fails when the log ends before an event that was applied, and queries refuse', async () => {
  const log = new ScriptedLog().add(registered(10, 'a@x.org'), registered(20, 'b@x.org'))
  const readModel = startReadModel({ dir: temporaryFolder(), log })
  expect(await readModel.reached(20, 5_000)).toBe(true)
  log.cut()
  log.restore(10)
  await eventually(() => expect(readModel.status()).toMatchObject({ state: 'failed', isServing: false }))
  expect(readModel.status().error).toMatchObject({ constructor: StoreReplaced, lastEvent: { position: 20 } })
  expect(() => emails(readModel)).toThrow(ReadModelNotReady)
  expect(() => emails(readModel)).toThrow('Rebuild the read model')
  expect(await readModel.reached(20, 10)).toBe(false)
})

test('fails when the log goes on beyond the checkpoint, but has another event in the place of the last one applied', async () => {
  const log = new ScriptedLog().add(registered(10, 'a@x.org'), registered(20, 'b@x.org'))
  const readModel = startReadModel({ dir: temporaryFolder(), log })
  expect(await readModel.reached(20, 5_000)).toBe(true)
  log.cut()
  log.restore(10)
  log.add(registered(20, 'c@x.org'), registered(30, 'd@x.org'))
  await eventually(() => expect(readModel.status()).toMatchObject({ state: 'failed', isServing: false }))
  expect(readModel.status().error).toBeInstanceOf(StoreReplaced)
  expect(() => emails(readModel)).toThrow(ReadModelNotReady)
})

test('a checkpoint beyond the end of the log is no harm, if all that was applied is there', async () => {
  const dir = temporaryFolder()
  const log = new ScriptedLog().add(registered(10, 'a@x.org')).addBatch({ events: [], position: 500, caughtUp: true })
  const readModel = startReadModel({ dir, log })
  expect(await readModel.reached(500, 5_000)).toBe(true)
  log.cut()
  log.restore(30)
  await eventually(() => expect(log.subscriptions).toEqual([undefined, 30]))
  log.add(registered(40, 'b@x.org'))
  await eventually(() => expect(emails(readModel)).toEqual(['b@x.org', 'a@x.org']))
  expect(readModel.status().position).toBe(500)
})

test('of two services on one folder, the first one stops when the second has taken over', async () => {
  const dir = temporaryFolder()
  const log = new ScriptedLog().add(registered(10, 'a@x.org'))
  const first = startReadModel({ dir, log })
  expect(await first.reached(10, 5_000)).toBe(true)
  const second = startReadModel({ dir, log })
  await eventually(() => expect(second.status().state).toBe('live'))
  log.add(registered(20, 'b@x.org'))
  await eventually(() => expect(first.status()).toMatchObject({ state: 'failed', error: expect.any(ProjectorFenced) }))
  expect(await second.reached(20, 5_000)).toBe(true)
  expect(total(second)).toBe(2)
  expect(first.query((users) => users.total())).toEqual({ value: 2, position: 20 })
  expect(await first.reached(20, 5_000)).toBe(true)
  expect(first.status().position).toBe(20)
  const later = first.reached(30, 5_000)
  log.add(registered(30, 'c@x.org'))
  expect(await later).toBe(true)
})

test('an event that the log delivers twice is not applied twice: the projector fails', async () => {
  const log = new ScriptedLog().add(registered(10, 'a@x.org'))
  const readModel = startReadModel({ dir: temporaryFolder(), log })
  expect(await readModel.reached(10, 5_000)).toBe(true)
  log.add(registered(10, 'a@x.org'))
  await eventually(() => expect(readModel.status().error?.name).toBe('EventsOutOfOrder'))
  expect(total(readModel)).toBe(1)
})
