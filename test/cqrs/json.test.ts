import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fromJson, NotStorable, toJson, toJsonObject } from '../../src/cqrs/json.ts'

const throughText = (json: unknown): unknown => JSON.parse(JSON.stringify(json))

describe('JSON for what JSON cannot hold', () => {
  it.each([
    ['bigint', -12n, { $bigint: '-12' }],
    ['Date', new Date('2026-01-31T12:00:00Z'), { $date: '2026-01-31T12:00:00.000Z' }],
    ['binary', Uint8Array.of(1, 2, 3), { $binary: 'AQID' }],
    ['NaN', Number.NaN, { $number: 'NaN' }],
    ['minus infinity', Number.NEGATIVE_INFINITY, { $number: '-Infinity' }],
    ['minus zero', -0, { $number: '-0' }],
    ['an object that looks like one of them', { $bigint: '1' }, { $object: { $bigint: '1' } }],
    ['an object that looks like such an object', { $object: 1 }, { $object: { $object: 1 } }],
  ])('has a form for %s', (_, value, json) => {
    expect(toJson(value)).toEqual(json)
    expect(fromJson(throughText(json))).toEqual(value)
  })

  it('leaves JSON as it is', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = JSON.stringify(value)
        fc.pre(!/-0|\$(bigint|date|binary|number|object)/.test(text) && !Object.is(value, -0))
        expect(JSON.stringify(toJson(JSON.parse(text)))).toBe(text)
      }),
    )
  })

  it('gives back what it was given, whatever that is', () => {
    const names = fc.oneof(
      fc.string(),
      fc.constantFrom('$bigint', '$date', '$object', '$number', '$binary', '__proto__'),
    )
    const { value } = fc.letrec<{ value: unknown }>((tie) => ({
      value: fc.oneof(
        { maxDepth: 4 },
        fc.constantFrom(null, true, Number.NaN, Number.POSITIVE_INFINITY, -0),
        fc.string(),
        fc.double(),
        fc.bigInt(),
        fc.date({ noInvalidDate: true }),
        fc.uint8Array(),
        fc.array(tie('value'), { maxLength: 3 }),
        fc.dictionary(names, tie('value'), { maxKeys: 3, noNullPrototype: true }),
      ),
    }))
    fc.assert(
      fc.property(value, (value) => {
        expect(fromJson(throughText(toJson(value)))).toStrictEqual(value)
      }),
      { numRuns: 500 },
    )
  })

  it('leaves alone what only looks like a form', () => {
    for (const json of [
      { $bigint: 'x' },
      { $date: 'never' },
      { $bigint: 1 },
      { $date: '2026', more: 1 },
      { $object: 1 },
    ]) {
      expect(fromJson(json)).toEqual(json)
    }
  })

  it('leaves out members that are undefined', () => {
    expect(toJson({ a: undefined, b: [{ c: undefined }] })).toEqual({ b: [{}] })
  })

  const circle: unknown[] = []
  circle.push(circle)
  it.each([
    ['a function', { a: [() => 1] }, ['a', 0]],
    ['a symbol', { a: Symbol('x') }, ['a']],
    ['an instance', { a: new Map() }, ['a']],
    ['an invalid Date', { a: new Date(Number.NaN) }, ['a']],
    ['undefined in an array', [undefined], [0]],
    ['a hole in an array', new Array(1), [0]],
  ])('has none for %s, and says where it is', (_, value, path) => {
    expect(() => toJson(value)).toThrow(expect.objectContaining({ name: 'NotStorable', path }))
  })

  it('has none for a circle', () => {
    expect(() => toJson(circle)).toThrow(NotStorable)
  })

  it.each([[[1]], ['text'], [1n], [null]])('of an event is an object, not %s', (value) => {
    expect(() => toJsonObject(value)).toThrow(NotStorable)
  })
})
