import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterAll, describe, expect, it, onTestFinished } from 'vitest'
import { openReactionStore } from '../../src/reactions/sqlite-reaction-store.ts'
import { reactionStoreContract } from '../cqrs/reaction-store.contract.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

describe('the reactions in a SQLite file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'rollbook-reactions-'))
  const store = openReactionStore(join(folder, 'data', 'reactions.sqlite'))
  afterAll(() => {
    store.close()
    rmSync(folder, { recursive: true })
  })
  reactionStoreContract(() => store)

  it('are fenced across processes that have the file open', async () => {
    const file = join(temporaryFolder(), 'reactions.sqlite')
    const claim = await opened(file).claim('webhooks')
    await opened(file).claim('webhooks')
    await expect(claim.moveTo(1)).rejects.toMatchObject({ name: 'ReactionFenced' })
  })

  it('can be looked at while they run, without a claim', async () => {
    const file = join(temporaryFolder(), 'reactions.sqlite')
    const claim = await opened(file).claim('webhooks')
    await claim.moveTo(5)
    const reader = opened(file, true)
    expect(reader.reactions()).toEqual([{ name: 'webhooks', position: 5, parked: 0 }])
    await claim.moveTo(6)
    expect(reader.reactions()).toMatchObject([{ position: 6 }])
  })

  it('are not made where they are only looked at', () => {
    const file = join(temporaryFolder(), 'reactions.sqlite')
    expect(() => opened(file, true)).toThrow(expect.objectContaining({ name: 'UnusableReactionFile', file }))
    expect(existsSync(file)).toBe(false)
  })

  it('are refused in a file of another schema version, which stays as it is', () => {
    const file = join(temporaryFolder(), 'reactions.sqlite')
    opened(file).close()
    const other = new Database(file)
    other.pragma('user_version = 7')
    other.close()
    expect(() => opened(file)).toThrow(/schema version 7, and 1 is known/)
    const after = new Database(file)
    onTestFinished(() => void after.close())
    expect(after.pragma('user_version', { simple: true })).toBe(7)
  })

  it('are refused in a file that is no database, which stays as it is', () => {
    const file = join(temporaryFolder(), 'reactions.sqlite')
    writeFileSync(file, 'not a database, but long enough to be taken for one'.repeat(50))
    const before = readFileSync(file)
    expect(() => opened(file)).toThrow(expect.objectContaining({ name: 'UnusableReactionFile', file }))
    expect(readFileSync(file)).toEqual(before)
  })
})

function opened(file: string, readonly = false) {
  const store = openReactionStore(file, { readonly })
  onTestFinished(() => store.close())
  return store
}
