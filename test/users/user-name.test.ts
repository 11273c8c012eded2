import { describe, expect, it } from 'vitest'
import { userName } from '../../src/users/user-name.ts'

describe('the name of a user', () => {
  it.each(['Ada', '李', 'Ada Lovelace', '👩‍👩‍👧‍👦', 'نام\u200cخانوادگی'])('may be %j', (name) => {
    expect(userName(name)).toBe(name)
  })

  it('loses the white space around it', () => {
    expect(userName('\n Ada  Lovelace\u3000')).toBe('Ada  Lovelace')
  })

  it.each([
    ['', 'must not be empty'],
    ['  \n', 'must not be empty'],
    ['\u200b\u200d', 'must not be empty'],
    ['Ada\u0000', 'control characters'],
    ['Ada\nLovelace', 'control characters'],
    ['Ada\u0085Lovelace', 'control characters'],
    ['Ada\ud83d', 'surrogate'],
  ])('may not be %j: it %s', (name, reason) => {
    expect(userName(name)).toMatchObject({ name: 'InvalidUserName', reason: expect.stringContaining(reason) })
  })

  it.each(['a', 'e\u0301', '👩‍👩‍👧‍👦', '🇬🇧'])(
    'has at most 255 characters, counted as users count them: %s',
    (character) => {
      expect(userName(character.repeat(255))).toBe(character.repeat(255))
      expect(userName(character.repeat(256))).toMatchObject({ reason: expect.stringContaining('255 characters') })
    },
  )

  it('is bounded also where one character has many marks', () => {
    expect(userName(`a${'\u0301'.repeat(4095)}`)).toHaveLength(4096)
    expect(userName(`a${'\u0301'.repeat(4096)}`)).toMatchObject({ reason: expect.stringContaining('4096') })
  })
})
