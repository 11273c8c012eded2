import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { expect, it, onTestFinished } from 'vitest'

const run = promisify(execFile)

/**
 * Inside the package, so that it is found under its own name: through `exports`, as its users find it
 * (https://nodejs.org/api/packages.html#self-referencing-a-package-using-its-name). Uses the last build.
 */
it('the example in docs/kit.md compiles against the package, and does what it says', async () => {
  const document = readFileSync('docs/kit.md', 'utf8')
  const example = /```ts\n(.*?)```/s.exec(document)?.[1] ?? ''
  const printed = /It prints `(.*)`/.exec(document)?.[1]
  const folder = mkdtempSync(resolve('dist/example-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  writeFileSync(join(folder, 'account.ts'), example)
  const options = { extends: '../../tsconfig.json', include: ['account.ts'] }
  // Who uses the package needs no JSX, the types of which want a browser.
  const noJsx = { jsx: null, jsxImportSource: null }
  const compilerOptions = { noEmit: false, skipLibCheck: false, outDir: 'out', rootDir: '.', ...noJsx }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ ...options, compilerOptions }))
  await run('node_modules/.bin/tsc', ['-p', folder]).catch((error) => expect.fail(error.stdout))
  const { stdout } = await run(process.execPath, [join(folder, 'out/account.js')])
  expect(stdout.trim()).toBe(printed)
})
