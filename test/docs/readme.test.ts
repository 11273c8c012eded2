import { symlinkSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { expect, test } from 'vitest'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { blocksOf } from './markdown.ts'
import { aReader } from './reader.ts'

test('the tour of the README shows what really comes', { timeout: 120_000 }, async () => {
  const folder = temporaryFolder()
  for (const name of ['package.json', 'dist']) symlinkSync(resolve(name), join(folder, name))
  const reader = aReader(folder, join(folder, 'data'))
  const blocks = blocksOf('README.md').filter(({ language }) => language === 'console')
  expect(blocks.length).toBeGreaterThan(5)
  for (const { text, line } of blocks) await reader.follow(text, `README.md:${line}`)
})
