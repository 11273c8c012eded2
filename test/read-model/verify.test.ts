import { expect, onTestFinished, test } from 'vitest'
import { usersProjection } from '../../projections/users/projection.ts'
import { openFile, UnusableFile } from '../../src/read-model/file.ts'
import { Generations } from '../../src/read-model/generations.ts'
import { rebuild } from '../../src/read-model/rebuild.ts'
import { verify } from '../../src/read-model/verify.ts'
import { ScriptedLog } from '../support/scripted-log.ts'
import { poison, registered, startReadModel, temporaryFolder } from './fixtures.ts'

const projections = [usersProjection]

/** A live file of three users, and a way to tamper with it. */
async function threeUsers() {
  const dir = temporaryFolder()
  const log = new ScriptedLog().add(
    registered(10, 'a@x.org'),
    registered(20, 'b@x.org'),
    registered(30, 'c@x.org', { stream: 'user-c@x.org' }),
  )
  await rebuild({ log, dir, projections })
  const db = openFile(new Generations(dir).current() ?? '', projections)
  onTestFinished(() => {
    db.$client.close()
  })
  return { dir, log, tamper: (sql: string) => db.$client.exec(sql) }
}

test('a read model that is as the log has it has no differences', async () => {
  const { dir, log } = await threeUsers()
  expect(await verify({ log, dir, projections })).toMatchObject({
    position: 30,
    events: 3,
    differenceCount: 0,
    differences: [],
  })
})

test('names every cell and row that differs', async () => {
  const { dir, log, tamper } = await threeUsers()
  tamper("UPDATE users SET name = 'Mallory' WHERE position = 10")
  tamper('DELETE FROM users WHERE position = 20')
  tamper("INSERT INTO users VALUES (25, 'id', 'name', 'email', 'canonical', 'created')")
  tamper('UPDATE user_count SET total = 4')
  expect(await verify({ log, dir, projections })).toMatchObject({
    differenceCount: 4,
    differences: [
      { table: 'user_count', key: '1', column: 'total', live: 4, replayed: 3 },
      { table: 'users', key: '10', column: 'name', live: 'Mallory', replayed: 'Name of a@x.org' },
      { table: 'users', key: '20', column: undefined, live: undefined, replayed: { email: 'b@x.org' } },
      { table: 'users', key: '25', column: undefined, live: { id: 'id' }, replayed: undefined },
    ],
  })
})

test('finds a search index that differs', async () => {
  const { dir, log, tamper } = await threeUsers()
  tamper("INSERT INTO users_search (rowid, name, email) VALUES (99, 'ZZZ', '')")
  expect(await verify({ log, dir, projections })).toMatchObject({
    differences: [{ table: 'users_search', key: 'ZZZ', live: { doc: 1 }, replayed: undefined }],
  })
})

test('describes the first differences and counts all', async () => {
  const { dir, log, tamper } = await threeUsers()
  tamper(`WITH RECURSIVE n(i) AS (SELECT 100 UNION ALL SELECT i + 1 FROM n WHERE i < 149)
          INSERT INTO users SELECT i, i, 'name', 'email', i, 'created' FROM n`)
  const { differenceCount, differences } = await verify({ log, dir, projections })
  expect(differenceCount).toBe(50)
  expect(differences).toHaveLength(20)
})

test('compares at the position of the live file, however far the log has gone on', async () => {
  const { dir, log } = await threeUsers()
  log.add(registered(40, 'd@x.org'), registered(50, 'e@x.org'))
  expect(await verify({ log, dir, projections })).toMatchObject({ position: 30, events: 3, differenceCount: 0 })
})

test('parks what a service parks', async () => {
  const dir = temporaryFolder()
  const log = new ScriptedLog().add(registered(10, 'a@x.org'), poison(20, 'bad@x.org'), registered(30, 'bad@x.org'))
  const readModel = startReadModel({ dir, log })
  expect(await readModel.reached(30, 5_000)).toBe(true)
  expect(await verify({ log, dir, projections })).toMatchObject({ events: 3, differenceCount: 0 })
})

test('works beside a running service', async () => {
  const dir = temporaryFolder()
  const log = new ScriptedLog().add(registered(10, 'a@x.org'))
  const readModel = startReadModel({ dir, log })
  expect(await readModel.reached(10, 5_000)).toBe(true)
  const verifying = verify({ log, dir, projections })
  log.add(registered(20, 'b@x.org'))
  expect(await readModel.reached(20, 5_000)).toBe(true)
  expect(await verifying).toMatchObject({ position: 10, differenceCount: 0 })
})

test('says so where there is nothing to verify', async () => {
  const dir = temporaryFolder()
  await expect(verify({ log: new ScriptedLog(), dir, projections })).rejects.toThrow(UnusableFile)
})
