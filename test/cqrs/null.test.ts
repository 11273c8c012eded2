import { expect, it } from 'vitest'
import { entityStore } from '../../src/cqrs/entity-store.ts'
import { nullEventStore, nullSnapshotStore } from '../../src/cqrs/null.ts'
import { alwaysSnapshot } from '../../src/cqrs/snapshot.ts'
import { create, todo } from './todo.ts'

it('a null store takes everything and keeps nothing', async () => {
  const store = entityStore(todo, { events: nullEventStore, snapshots: nullSnapshotStore, strategy: alwaysSnapshot })
  const id = todo.id('1')
  const result = await store.loadOrDefaultExecAndPersist(id, create('milk'))
  expect(result).toMatchObject({ entity: { version: 1, state: { text: 'milk' } }, events: [{ number: 1 }] })
  expect(await store.rehydrate(id)).toBeUndefined()
  for await (const event of store.readEventsBackwards(id)) expect.unreachable(event.id)
})

it('a command of untyped code that gives neither events nor a refusal is told so', async () => {
  const store = entityStore(todo, { events: nullEventStore })
  const untyped: () => [] = () => JSON.parse('"done"')
  const result = store.loadOrDefaultExecAndPersist(todo.id('1'), untyped)
  await expect(result).rejects.toThrow('a command gives an array of events or { refusal }, not done')
})
