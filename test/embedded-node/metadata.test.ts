import { describe, expect, test } from 'vitest'
import { TOMBSTONE } from '../../src/embedded-node/decide.ts'
import {
  firstReadable,
  isSoftDeleted,
  parseMetadata,
  SOFT_DELETE_BODY,
  withTruncateBefore,
} from '../../src/embedded-node/metadata.ts'

const parse = (json: string) => parseMetadata(Buffer.from(json))

describe('a metadata document', () => {
  test.each([
    ['{"$maxCount":3}', { maxCount: 3 }],
    ['{"$maxAge":60,"$tb":0}', { maxAge: 60, truncateBefore: 0 }],
    ['{ "custom" : { "$maxCount": 1 } , "$tb" : 7 }', { truncateBefore: 7 }],
    ['{"a":"}, \\"$tb\\":9,","$maxCount":2}', { maxCount: 2 }],
    [
      '{"$acl":{"$r":"$all","$w":["a","b"]},"$maxCount":2}',
      { acl: { read: ['$all'], write: ['a', 'b'] }, maxCount: 2 },
    ],
    ['{"$maxCount":1,"$maxCount":4}', { maxCount: 4 }],
  ])('says what its known keys say: %s', (json, expected) => {
    expect(parse(json)).toEqual(expected)
  })

  test.each(['{"$maxCount":0}', '{"$maxCount":-1}', '{"$maxAge":0}', '{"$tb":-1}', '{}'])(
    'does not say what means nothing: %s',
    (json) => {
      expect(parse(json)).toEqual({})
    },
  )

  test.each([
    '{"$maxCount":"x","$tb":3}',
    '{"$tb":3,"$maxCount":1.5}',
    '{"$tb":9223372036854775808,"$maxCount":1}',
    '{"$maxAge":922337203686,"$tb":1}',
    '{"$cacheControl":"x","$tb":1}',
    '{"$acl":{"other":"x"},"$tb":1}',
    '{"$acl":null,"$tb":1}',
    '[1]',
    '"x"',
    'junk',
    '',
  ])('says nothing at all when it is malformed: %s', (json) => {
    expect(parse(json)).toEqual({})
  })

  test('soft-deletes with the greatest revision and with no other', () => {
    expect(isSoftDeleted(parseMetadata(SOFT_DELETE_BODY))).toBe(true)
    expect(parse('{"$tb":9223372036854775807}')).toEqual({ truncateBefore: TOMBSTONE })
    expect(isSoftDeleted(parse('{"$tb":9007199254740991}'))).toBe(false)
  })

  test('keeps all other keys when the stream comes back', () => {
    const changed = withTruncateBefore(Buffer.from('{"a":[1,{"b":2}],"$tb":9223372036854775807,"c":"x"}'), 3)
    expect(changed?.toString()).toBe('{"a":[1,{"b":2}],"$tb":3,"c":"x"}')
    expect(withTruncateBefore(Buffer.from('{"a":1}'), 3)?.toString()).toBe('{"a":1,"$tb":3}')
    expect(withTruncateBefore(Buffer.from('junk'), 3)).toBeUndefined()
  })
})

test('the larger of two lower bounds wins', () => {
  expect(firstReadable({ maxCount: 3 }, 9)).toBe(7)
  expect(firstReadable({ maxCount: 3, truncateBefore: 8 }, 9)).toBe(8)
  expect(firstReadable({ maxCount: 30 }, 9)).toBe(0)
})
