import { pino } from 'pino'
import { expect, onTestFinished, test } from 'vitest'
import { usersProjection } from '../../projections/users/projection.ts'
import { prepareExplorer, type ReadModelExplorer } from '../../src/read-model/explorer.ts'
import type { Projection, ReadModelDatabase } from '../../src/read-model/projection.ts'
import { ReadModel, ReadModelNotReady } from '../../src/read-model/read-model.ts'
import { ScriptedLog } from '../support/scripted-log.ts'
import { eventually, poison, registered, temporaryFolder } from './fixtures.ts'

function start(log: ScriptedLog, projection: Projection = usersProjection): ReadModel<ReadModelExplorer> {
  const queries = (db: ReadModelDatabase) => prepareExplorer(db, [projection])
  const logger = pino({ level: 'silent' })
  const readModel = new ReadModel({ dir: temporaryFolder(), log, projections: [projection], queries, logger })
  onTestFinished(() => readModel.close())
  return readModel
}

test('it is known of each event whether it is applied, parked, still to come or not used', async () => {
  const ada = registered(10, 'ada@x.org')
  const broken = poison(20, 'broken@x.org')
  const behind = registered(30, 'broken@x.org', { number: 2, type: 'UserWaved' })
  const readModel = start(new ScriptedLog().add(ada, broken, behind))
  expect(await readModel.reached(30, 5_000)).toBe(true)
  const landing = (event: typeof ada) => readModel.query((explorer) => explorer.landing(event)).value
  expect(landing(ada)).toMatchObject({
    kind: 'applied',
    rows: [{ table: 'users', columns: { position: 10, email: 'ada@x.org' } }],
  })
  expect(landing(broken)).toMatchObject({ kind: 'parked', error: expect.stringContaining('Invalid ULID') })
  expect(landing(behind)).toEqual({ kind: 'parked', error: 'an earlier event of its stream is parked' })
  expect(landing(registered(40, 'late@x.org'))).toEqual({ kind: 'pending' })
  expect(landing(registered(40, 'late@x.org', { type: 'UserWaved' }))).toEqual({ kind: 'unused' })
  expect(landing(registered(5, 'x', { stream: 'order-1' }))).toEqual({ kind: 'unused' })
})

test('parked events are listed a page at a time', async () => {
  const readModel = start(
    new ScriptedLog().add(...[10, 20, 30].map((position) => poison(position, `${position}@x.org`))),
  )
  expect(await readModel.reached(30, 5_000)).toBe(true)
  const { value } = readModel.query((explorer) => [explorer.parkedCount(), explorer.parked(10, 1)])
  expect(value).toMatchObject([3, [{ position: 20, stream: 'user-20@x.org', number: 1, type: 'UserRegistered' }]])
})

test('parked events that can be applied now are, while the projector goes on', async () => {
  let isBroken = true
  const projection: Projection = {
    ...usersProjection,
    prepare(db) {
      const handlers = usersProjection.prepare(db)
      return {
        UserRegistered(event) {
          if (isBroken && event.position <= 20) throw new Error('a bug')
          handlers['UserRegistered']?.(event)
        },
      }
    },
  }
  const log = new ScriptedLog().add(registered(10, 'a@x.org'), registered(20, 'b@x.org'), poison(30, 'c@x.org'))
  const readModel = start(log, projection)
  expect(await readModel.reached(30, 5_000)).toBe(true)
  expect(readModel.replayParked()).toBe(0)
  isBroken = false
  expect(readModel.replayParked()).toBe(2)
  expect(readModel.status().parked).toBe(1)
  expect(readModel.query((explorer) => explorer.landing(registered(20, 'b@x.org'))).value.kind).toBe('applied')
  log.add(registered(40, 'd@x.org'))
  await eventually(() => expect(readModel.status()).toMatchObject({ state: 'live', position: 40, parked: 1 }))
})

test('there is nothing to replay into while there is no read model', () => {
  const log = new ScriptedLog()
  log.cut()
  expect(() => start(log).replayParked()).toThrow(ReadModelNotReady)
})
