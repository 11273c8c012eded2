import { describe, expect, it } from 'vitest'
import { preview, print, visible } from '../../src/inspector/print.ts'

describe('data of an event', () => {
  it.each([
    {},
    [],
    { a: [], b: {}, c: [1, -2.5, true, null, 'x'] },
    [[[{ 'a "quoted" name': 'a\n\\ b' }]]],
    'text is no JSON of its own',
    null,
    7,
  ])('%j is printed as JSON.stringify does', (value) => {
    const expected = typeof value === 'string' ? value : JSON.stringify(value, null, 2)
    expect(print(value, 1_000)).toEqual({
      text: expected,
      kind: typeof value === 'string' ? 'text' : 'json',
      isCut: false,
    })
  })

  it('that are not JSON are text where they are, else bytes', () => {
    expect(print(Buffer.from('a ✓\nb'), 100)).toEqual({ text: 'a ✓\nb', kind: 'text', isCut: false })
    const { text, kind } = print(Buffer.from([0, 1, 65, 255]), 100)
    expect([text.replaceAll(/ +/g, ' '), kind]).toEqual(['000000 00 01 41 ff ..A.', 'binary'])
  })

  it.each<[string, unknown]>([
    ['a long string', 'x'.repeat(1_000_000)],
    ['a long string within', { a: { b: 'x'.repeat(1_000_000) } }],
    ['a long name', { ['x'.repeat(1_000_000)]: 1 }],
    ['many members', Object.fromEntries(Array.from({ length: 100_000 }, (_, index) => [`m${index}`, index]))],
    ['many items', Array.from({ length: 1_000_000 }, () => 0)],
    ['great depth', JSON.parse('['.repeat(200_000) + ']'.repeat(200_000))],
    ['great breadth and depth', JSON.parse(`${'[0,'.repeat(100_000)}0${']'.repeat(100_000)}`)],
    ['many bytes', Buffer.alloc(1_000_000)],
    ['long text in bytes', Buffer.alloc(1_000_000, 'x')],
  ])('with %s take little room, and it is said that something is missing', (_, value) => {
    const start = performance.now()
    const { text, isCut } = print(value, 1_000)
    expect(text.length).toBeLessThan(6_000)
    expect(isCut).toBe(true)
    expect(performance.now() - start).toBeLessThan(1_000)
  })

  it('are on one line in a preview', () => {
    expect(preview({ a: [1, 2], b: 'x' }, 100)).toBe('{ "a": [ 1, 2 ], "b": "x" }')
    expect(preview('x'.repeat(200), 10)).toBe('xxxxxxxxxx…')
  })
})

it('what cannot be seen, or turns the direction of what follows, is shown as an escape', () => {
  expect(visible('a\u202eb\u0000\u200b\ufeff\ud800\u{e0001}\u2028')).toBe(
    'a\\u202eb\\u0000\\u200b\\ufeff\\ud800\\udb40\\udc01\\u2028',
  )
  expect(visible('line\n\ttab ✓ 👩‍💻 é')).toBe('line\n\ttab ✓ 👩‍💻 é')
})
