import { Registry } from 'prom-client'
import { describe, expect, it } from 'vitest'
import { commandLimit, Overloaded } from '../../src/cqrs/command-limit.ts'
import { entityStore } from '../../src/cqrs/entity-store.ts'
import { StoreUnavailable } from '../../src/cqrs/event-store.ts'
import { memoryEventStore } from '../../src/cqrs/memory.ts'
import { PreconditionFailed } from '../../src/cqrs/precondition.ts'
import { appendMetrics } from '../../src/metrics/appends.ts'
import { commandMetrics } from '../../src/metrics/commands.ts'
import { complete, create, todo } from '../cqrs/todo.ts'
import { figureIn, parse } from './exposition.ts'

function counting() {
  const registry = new Registry()
  const metrics = commandMetrics(registry)
  const figure = async (name: string, labels: Record<string, string> = {}) =>
    figureIn(parse(await registry.metrics()), `rollbook_commands_${name}`, labels)
  const outcomes = async () => {
    const [family] = parse(await registry.metrics()).filter(({ name }) => name === 'rollbook_commands_total')
    const counted = family?.samples.filter(({ value }) => value > 0) ?? []
    return Object.fromEntries(
      counted.map(({ labels, value }) => [`${labels['aggregate']} ${labels['outcome']}`, value]),
    )
  }
  return { metrics, figure, outcomes }
}

class Taken extends Error {}

describe('commands', () => {
  it('of a function are counted by what they throw', async () => {
    const { metrics, outcomes } = counting()
    const failures: Record<string, Error> = {
      taken: new Taken(),
      raced: new PreconditionFailed('s', 'new', 1),
      away: new StoreUnavailable('away', 'not-appended'),
      late: new StoreUnavailable('late', 'unknown'),
      bug: new TypeError(),
    }
    const isRefusal = (error: unknown) => error instanceof Taken
    const command = metrics.command(
      'user',
      async (name: string) => {
        const failure = failures[name]
        if (failure) throw failure
        return name
      },
      isRefusal,
    )
    expect(await command('ada')).toBe('ada')
    for (const name of Object.keys(failures)) await expect(command(name)).rejects.toBe(failures[name])
    expect(await outcomes()).toEqual({
      ...{ 'user accepted': 1, 'user refused': 1, 'user conflict': 1 },
      ...{ 'user unavailable': 1, 'user unknown': 1, 'user failed': 1 },
    })
  })

  it('of an entity store are counted once each, refusals as such', async () => {
    const { metrics, outcomes } = counting()
    const store = metrics.store('todo', entityStore(todo, { events: memoryEventStore() }))
    const id = todo.id('1')
    expect(await store.loadExecAndPersist(id, complete())).toBeUndefined()
    await store.loadOrDefaultExecAndPersist(id, create('Buy milk'))
    expect(await store.loadOrDefaultExecAndPersist(id, create('Again'))).toMatchObject({ refusal: expect.any(Error) })
    await store.loadExecAndPersist(id, complete())
    const entity = await store.rehydrate(id)
    if (entity) await store.execAndPersist(entity, complete())
    await expect(store.loadOrDefaultExecAndPersist(id, create('Third'), { precondition: 'new' })).rejects.toThrow()
    expect(await outcomes()).toEqual({ 'todo accepted': 3, 'todo refused': 2, 'todo conflict': 1 })
  })

  it('that are not let in are counted, and those under way shown', async () => {
    const { metrics, figure, outcomes } = counting()
    const admit = metrics.admission('user', commandLimit({ most: 1 }), 1)
    expect(await figure('limit')).toBe(1)
    expect(await figure('total', { aggregate: 'user', outcome: 'overloaded' })).toBe(0)
    let end = () => {}
    const running = admit(() => new Promise<void>((resolve) => (end = resolve)))
    const refused = admit(async () => undefined)
    expect(await figure('in_progress')).toBe(2)
    await expect(refused).rejects.toThrow(Overloaded)
    expect(await figure('in_progress')).toBe(1)
    end()
    await running
    expect(await figure('in_progress')).toBe(0)
    expect(await outcomes()).toEqual({ 'user overloaded': 1 })
  })
})

it('appends are timed by their outcome, and go on as they are', async () => {
  const registry = new Registry()
  const events = memoryEventStore()
  const append = appendMetrics(registry)(events)
  const event = { id: 'd5a3a5a0-0000-4000-8000-000000000001', type: 't', data: {}, metadata: {} }
  expect(await append('s', [event], 'new')).toMatchObject({ lastNumber: 1, position: 1 })
  const other = { ...event, id: 'd5a3a5a0-0000-4000-8000-000000000002' }
  await expect(append('s', [other], 'new')).rejects.toThrow(PreconditionFailed)
  const families = parse(await registry.metrics())
  for (const outcome of ['appended', 'conflict']) {
    expect(figureIn(families, 'rollbook_append_duration_seconds_count', { outcome })).toBe(1)
  }
})
