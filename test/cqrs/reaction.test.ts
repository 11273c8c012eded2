import { randomUUID } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { filterOf, type ReactionPredicate } from '../../src/cqrs/reaction.ts'

describe('the predicate of a reaction', () => {
  const all: ReactionPredicate = { aggregates: 'all', events: 'all' }
  const allOfSomeTypes: ReactionPredicate = { aggregates: 'all', events: ['Opened', 'Closed'] }
  const some: ReactionPredicate = {
    aggregates: [
      { type: 'door', events: ['Opened'] },
      { type: 'window', events: 'all' },
      { type: 'door', events: ['Closed'] },
    ],
  }

  it.each([
    [all, 'door-1', 'Opened', true],
    [all, '$$door-1', '$metadata', false],
    [all, '$ce-door', '$>', false],
    [all, 'snapshot-door-1', 'Snapshot', false],
    [all, 'nohyphen', 'Opened', false],
    [all, '-1', 'Opened', false],
    [allOfSomeTypes, 'door-1', 'Closed', true],
    [allOfSomeTypes, 'door-1', 'Painted', false],
    [some, 'door-1', 'Opened', true],
    [some, 'door-1', 'Closed', true],
    [some, 'door-1', 'Painted', false],
    [some, 'door-1-2', 'Opened', true],
    [some, 'doorbell-1', 'Opened', false],
    [some, 'door', 'Opened', false],
    [some, 'window-1', 'Painted', true],
    [some, 'roof-1', 'Opened', false],
  ])('%j: stream %s, event %s: %s', (predicate, stream, type, expected) => {
    expect(filterOf(predicate).matches(anEvent(stream, type))).toBe(expected)
  })

  it('becomes a filter of the store by the streams of its aggregates', () => {
    expect(filterOf(some).streamPrefixes).toEqual(['door-', 'window-'])
    expect(filterOf(all).streamPrefixes).toEqual([''])
  })
})

function anEvent(stream: string, type: string) {
  return { id: randomUUID(), stream, number: 1, position: 1, type, data: {}, metadata: {}, created: new Date() }
}
