import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { expect, test } from 'vitest'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { openShell } from './console.ts'
import { blocksOf } from './markdown.ts'
import { aReader } from './reader.ts'

const DOCUMENT = 'docs/tutorial.md'

/** What the reader's checkout has, as far as the tutorial needs it. */
const SOURCES = ['src', 'projections', 'test', 'package.json', 'drizzle.config.ts', 'vitest.config.ts', 'biome.json']
const SETTINGS = ['tsconfig.json', 'tsconfig.build.json', '.dependency-cruiser.cjs']

/** The settings of version control that Biome looks for are not copied. */
const STYLE =
  'npx biome check --error-on-warnings --colors=off --vcs-enabled=false src projections test .dependency-cruiser.cjs'

test('the tutorial can be followed to the letter', { timeout: 600_000 }, async () => {
  const checkout = copyOfTheProject()
  const reader = aReader(checkout, join(checkout, 'data'), join(checkout, 'dist'))
  for (const { language, file, text, line } of blocksOf(DOCUMENT)) {
    const place = `${DOCUMENT}:${line}`
    if (file !== undefined && language === 'ts') write(join(checkout, file), text)
    else if (file !== undefined && language === 'diff') change(join(checkout, file), text, place)
    else if (language === 'console') await reader.follow(text, place)
    else expect.fail(`${place}: a block is a file, a change of a file, or commands`)
  }
  const style = await openShell(checkout).run(STYLE)
  expect(style.code, style.output).toBe(0)
})

/** Its dependencies and its last build are those of this checkout, until it is built anew. */
function copyOfTheProject(): string {
  const folder = temporaryFolder()
  for (const name of [...SOURCES, ...SETTINGS]) cpSync(name, join(folder, name), { recursive: true })
  for (const name of ['node_modules', 'dist']) symlinkSync(resolve(name), join(folder, name))
  // Types of tests are checked by `npm run types`, with those of all others. Here they are built along, to save the time.
  const build = JSON.parse(readFileSync('tsconfig.build.json', 'utf8'))
  build.include.push('test/lending')
  writeFileSync(join(folder, 'tsconfig.build.json'), JSON.stringify(build))
  return folder
}

function write(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, text)
}

/** Applies hunks that are found by their text, whatever their line. */
function change(file: string, diff: string, place: string): void {
  let content = readFileSync(file, 'utf8')
  for (const hunk of diff.split(/^@@\n/m)) {
    const lines = hunk.split('\n').slice(0, -1)
    const side = (sign: string) =>
      lines
        .filter((line) => line[0] === ' ' || line[0] === sign)
        .map((line) => `${line.slice(1)}\n`)
        .join('')
    expect(content.split(side('-')), `${place}: ${side('-')}is to be in ${file} once`).toHaveLength(2)
    content = content.replace(side('-'), () => side('+'))
  }
  writeFileSync(file, content)
}
