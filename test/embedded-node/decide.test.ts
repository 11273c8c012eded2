import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  Any,
  type Decision,
  decideAppend,
  decideDelete,
  decideTombstone,
  type Expected,
  type Memory,
  NoStream,
  StreamExists,
  type StreamState,
  TOMBSTONE,
} from '../../src/embedded-node/decide.ts'

const missing: StreamState = { last: -1, lastMetadata: -1, softDeleted: false }
const onlyMetadata: StreamState = { last: -1, lastMetadata: 0, softDeleted: false }
const four: StreamState = { last: 3, lastMetadata: -1, softDeleted: false }
const softDeleted: StreamState = { last: 3, lastMetadata: 0, softDeleted: true }
const tombstoned: StreamState = { last: TOMBSTONE, lastMetadata: 0, softDeleted: false }

const append: Decision = { kind: 'append', undelete: false }
const undelete: Decision = { kind: 'append', undelete: true }
const deleted: Decision = { kind: 'deleted' }
const wrong = (current: number): Decision => ({ kind: 'wrong-version', current })
const replay = (last: number): Decision => ({ kind: 'replay', last })

/** A stream `s` with these events; `o` holds the event `other`. */
function memoryOf(...ids: string[]): Memory {
  const places = new Map([['other', { stream: 'o', revision: 0 }]])
  for (const [revision, id] of ids.entries()) if (!places.has(id)) places.set(id, { stream: 's', revision })
  return { recent: (id) => places.get(id), idAt: (revision) => ids[revision] }
}

describe('an append is decided as EventStoreDB does', () => {
  const written = memoryOf('a', 'b', 'c', 'd')
  const rows: [what: string, expected: Expected, ids: string[], state: StreamState, decision: Decision][] = [
    ['any, stream missing', Any, ['x'], missing, append],
    ['no stream, stream missing', NoStream, ['x'], missing, append],
    ['exists, stream missing', StreamExists, ['x'], missing, wrong(-1)],
    ['exists, only metadata', StreamExists, ['x'], onlyMetadata, append],
    ['revision, stream missing', 0n, ['x'], missing, wrong(-1)],
    ['any', Any, ['x'], four, append],
    ['exists', StreamExists, ['x'], four, append],
    ['last revision', 3n, ['x'], four, append],
    ['revision behind the last', 4n, ['x'], four, wrong(3)],
    ['revision before the last', 1n, ['x'], four, wrong(3)],
    ['no stream, stream there', NoStream, ['x'], four, wrong(3)],
    ['any, same ids', Any, ['a', 'b', 'c', 'd'], four, replay(3)],
    ['exists, same ids', StreamExists, ['a', 'b', 'c', 'd'], four, replay(3)],
    ['any, some of the ids', Any, ['b', 'c'], four, replay(2)],
    ['any, ids in another order', Any, ['b', 'a'], four, replay(0)],
    ['any, known ids and then new ones', Any, ['a', 'b', 'x'], four, wrong(3)],
    ['any, a new id and then known ones', Any, ['x', 'b'], four, append],
    ['any, id known in another stream', Any, ['other'], four, append],
    ['no stream, same ids', NoStream, ['a', 'b', 'c', 'd'], four, replay(3)],
    ['no stream, first of the ids', NoStream, ['a', 'b'], four, replay(1)],
    ['revision, same ids behind it', 0n, ['b', 'c'], four, replay(2)],
    ['revision, same ids in another order', 0n, ['c', 'b'], four, wrong(3)],
    ['revision, same ids and then new ones', 1n, ['c', 'd', 'x'], four, wrong(3)],
    ['last revision, known id', 3n, ['d'], four, append],
    ['any, no events', Any, [], four, append],
    ['last revision, no events', 3n, [], four, append],
    ['revision before the last, no events', 1n, [], four, wrong(3)],
    ['no stream, no events, stream there', NoStream, [], four, wrong(3)],
    ['any, soft-deleted', Any, ['x'], softDeleted, undelete],
    ['any, soft-deleted, known ids', Any, ['a'], softDeleted, replay(0)],
    ['any, soft-deleted, no events', Any, [], softDeleted, undelete],
    ['exists, soft-deleted', StreamExists, ['x'], softDeleted, deleted],
    ['no stream, soft-deleted', NoStream, ['x'], softDeleted, undelete],
    ['no stream, soft-deleted, same ids', NoStream, ['a', 'b'], softDeleted, replay(1)],
    ['no stream, soft-deleted, same ids and then new ones', NoStream, ['a', 'x'], softDeleted, wrong(3)],
    ['last revision, soft-deleted', 3n, ['x'], softDeleted, undelete],
    ['revision before the last, soft-deleted', 1n, ['x'], softDeleted, wrong(3)],
    ['any, tombstoned', Any, ['x'], tombstoned, deleted],
    ['no stream, tombstoned, same ids', NoStream, ['a'], tombstoned, deleted],
    ['exists, tombstoned', StreamExists, ['x'], tombstoned, deleted],
  ]
  test.each(rows)('%s', (_, expected, ids, state, decision) => {
    expect(decideAppend('s', expected, ids, state, written)).toEqual(decision)
  })
})

describe('a delete is decided as EventStoreDB does', () => {
  test.each<[string, Expected, StreamState, Decision, Decision]>([
    ['any, stream missing', Any, missing, wrong(-1), append],
    ['no stream, stream missing', NoStream, missing, wrong(-1), append],
    ['any, only metadata', Any, onlyMetadata, append, append],
    ['last revision', 3n, four, append, append],
    ['revision before the last', 1n, four, wrong(3), wrong(3)],
    ['no stream, stream there', NoStream, four, wrong(3), wrong(3)],
    ['any, soft-deleted', Any, softDeleted, undelete, undelete],
    ['no stream, soft-deleted', NoStream, softDeleted, undelete, undelete],
    ['exists, soft-deleted', StreamExists, softDeleted, deleted, deleted],
    ['any, tombstoned', Any, tombstoned, deleted, deleted],
  ])('%s', (_, expected, state, soft, hard) => {
    expect(decideDelete('s', expected, state)).toEqual(soft)
    expect(decideTombstone('s', expected, state)).toEqual(hard)
  })
})

describe('whatever the stream holds', () => {
  const id = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f')
  const stream = fc.uniqueArray(id, { maxLength: 6 })
  const stateOf = (ids: string[], isDeleted: boolean): StreamState => ({
    last: ids.length - 1,
    lastMetadata: isDeleted ? 0 : -1,
    softDeleted: isDeleted,
  })

  test('an exact revision writes at that revision, answers a replay, or refuses', () => {
    const property = fc.property(stream, fc.array(id), fc.integer({ min: 0, max: 8 }), (ids, proposed, revision) => {
      const state = stateOf(ids, false)
      const decision = decideAppend('s', BigInt(revision), proposed, state, memoryOf(...ids))
      if (decision.kind === 'append') expect(state.last).toBe(revision)
      if (decision.kind === 'replay') expect(ids.slice(revision + 1, revision + 1 + proposed.length)).toEqual(proposed)
    })
    fc.assert(property)
  })

  test('the same append a second time writes nothing', () => {
    const property = fc.property(stream, fc.uniqueArray(id, { minLength: 1 }), fc.boolean(), (ids, proposed, any) => {
      fc.pre(!proposed.some((each) => ids.includes(each)))
      const after = [...ids, ...proposed]
      const expected = any ? Any : BigInt(ids.length - 1)
      const decision = decideAppend('s', expected, proposed, stateOf(after, false), memoryOf(...after))
      expect(decision).toEqual(replay(after.length - 1))
    })
    fc.assert(property)
  })

  test('a tombstone refuses everything', () => {
    const property = fc.property(stream, fc.array(id), fc.bigInt(-4n, 8n), (ids, proposed, expected) => {
      expect(decideAppend('s', expected, proposed, tombstoned, memoryOf(...ids))).toEqual(deleted)
    })
    fc.assert(property)
  })
})
