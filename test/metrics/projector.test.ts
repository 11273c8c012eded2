import { Registry } from 'prom-client'
import { expect, test } from 'vitest'
import { projectorMetrics } from '../../src/metrics/projector.ts'
import { eventually, registered, startReadModel, temporaryFolder } from '../read-model/fixtures.ts'
import { ScriptedLog } from '../support/scripted-log.ts'
import { figureIn, parse } from './exposition.ts'

function projector(log: ScriptedLog) {
  const registry = new Registry()
  const metrics = projectorMetrics(registry)
  const readModel = startReadModel({ dir: temporaryFolder(), log: metrics.followed(log) })
  metrics.watch(() => readModel.status())
  return async (name: string, labels: Record<string, string> = {}) =>
    figureIn(parse(await registry.metrics()), `rollbook_${name}`, labels)
}

test('counts what was applied, and the batches in which it was', async () => {
  const log = new ScriptedLog().addBatch({
    events: [registered(10, 'ada@x.org'), registered(20, 'bob@x.org')],
    position: 25,
    caughtUp: true,
  })
  const figure = projector(log)
  await eventually(async () => expect(await figure('projector_position')).toBe(25))
  expect(await figure('projector_applied_events_total')).toBe(2)
  expect(await figure('projector_batch_events_count')).toBe(1)
  expect(await figure('projector_batch_events_bucket', { le: '1' })).toBe(0)
  expect(await figure('projector_batch_events_bucket', { le: '2' })).toBe(1)
  expect(await figure('projector_batch_duration_seconds_count')).toBe(1)
  log.addBatch({ events: [], position: 30, caughtUp: true })
  await eventually(async () => expect(await figure('projector_position')).toBe(30))
  expect(await figure('projector_batch_events_count')).toBe(1)
})

test('lags by the time since it last had everything, and by an unknown number of events, until it has again', async () => {
  const log = new ScriptedLog().addBatch({ events: [registered(10, 'ada@x.org')], position: 10, caughtUp: false })
  const figure = projector(log)
  await eventually(async () => expect(await figure('projector_position')).toBe(10))
  expect(await figure('projector_state', { state: 'replaying' })).toBe(1)
  expect(await figure('projector_lag_seconds')).toBeGreaterThan(0)
  expect(await figure('projector_lag_events')).toBeUndefined()
  expect(await figure('read_model_serving')).toBe(0)

  log.addBatch({ events: [], position: 20, caughtUp: true })
  await eventually(async () => expect(await figure('projector_lag_seconds')).toBe(0))
  expect(await figure('projector_lag_events')).toBe(0)
  expect(await figure('projector_state', { state: 'live' })).toBe(1)
  expect(await figure('projector_state', { state: 'replaying' })).toBe(0)
  expect(await figure('read_model_serving')).toBe(1)

  const cutAt = performance.now()
  log.cut()
  await eventually(async () => expect(await figure('projector_state', { state: 'reconnecting' })).toBe(1))
  expect(await figure('projector_lag_seconds')).toBeGreaterThan(0)
  // From the loss on, and not from the last event.
  expect(await figure('projector_lag_seconds')).toBeLessThanOrEqual((performance.now() - cutAt) / 1_000)
  log.restore()
  await eventually(async () => expect(await figure('projector_lag_seconds')).toBe(0))
})
