import { describe, expect, test } from 'vitest'
import { compileRegex, MalformedRegex, UnsupportedRegex } from '../../src/embedded-node/regex.ts'

describe('a regular expression of a filter', () => {
  test.each([
    ['^user-', 'user-1', 'a user-1'],
    ['b', 'abc', 'ac'],
    ['a$', 'ba\n', 'ba\n\n'],
    ['a\\Z', 'a', 'ab'],
    ['^\\d$', '٣', 'a'],
    ['^[\\w-]+$', 'ü-1', 'a b'],
    ['^\\W$', '-', 'ü'],
    ['^\\s$', '\u00a0', 'a'],
    ['(?<kind>user)', 'user', 'order'],
    ["(?'kind'user)", 'user', 'order'],
    ['(?i)USER', 'user', 'order'],
    ['(?i:U)ser', 'user', 'uSer'],
    ['^[[:a]$', '[', '[:a'],
    ['^[]a]$', ']', 'b'],
    ['^[^]a]$', 'b', ']'],
    ['^\\u0041\\x42\\p{Lu}$', 'ABÄ', 'ABä'],
    ['^(?:ab){2,3}$', 'abab', 'ab'],
    ['^a{,3}$', 'a{,3}', 'aa'],
    ['^[$]', '$x', 'x'],
  ])('%s means what it means to .NET', (expression, match, other) => {
    const accepts = compileRegex(expression)
    expect([accepts(match), accepts(other)]).toEqual([true, false])
  })

  test.each(['(?<', '(', ')', '[', '*', '\\', 'a**', 'a{2,1}', '[z-a]', '(?P<n>a)', '(?U)a', '\\Qa\\E'])(
    '%s is malformed',
    (expression) => {
      expect(() => compileRegex(expression)).toThrow(MalformedRegex)
    },
  )

  test.each(['(?=a)', '(?!a)', '(?<=a)b', '(?<!a)b', '(?>a)', '(a)\\1', '(?<n-m>a)', '(?(a)b|c)', '(?#c)a', '(?x)a'])(
    '%s is refused by name, with the reason and what is allowed',
    (expression) => {
      expect(() => compileRegex(expression)).toThrow(UnsupportedRegex)
      expect(() => compileRegex(expression)).toThrow(`The regular expression ${expression} is not supported: `)
      expect(() => compileRegex(expression)).toThrow('allowed are literals, ')
    },
  )

  test.each(['a{1001}', '(?:a{100}){100}', 'a{1000}'.repeat(500), `(?:${'a'.repeat(500)}){500}`, 'a'.repeat(5_000)])(
    'is refused before it is compiled when it would be large',
    (expression) => {
      const start = performance.now()
      expect(() => compileRegex(expression)).toThrow(UnsupportedRegex)
      expect(performance.now() - start).toBeLessThan(500)
    },
  )

  test('takes linear time where backtracking would take for ever', () => {
    for (const expression of ['^(a+)+$', '(a|aa)+$', '(.*a){50}$', '^(([a-z])+.)+[A-Z]([a-z])+$']) {
      const accepts = compileRegex(expression)
      expect(accepts(`${'a'.repeat(4_000)}!`)).toBe(false)
    }
  })

  test('refuses to look through a name that would take it too long', () => {
    const matches = compileRegex('\\p{L}{900}')
    expect(matches('x'.repeat(4_000))).toBe(true)
    expect(() => matches('x'.repeat(5_000))).toThrow('too large for a name of 5000 characters')
    expect(compileRegex('^user-')('x'.repeat(65_536))).toBe(false)
  })
})
