import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

let house: string

beforeEach(() => {
  house = mkdtempSync(join(tmpdir(), 'rollbook-rooms-'))
  plant('package.json', '{ "type": "module" }')
  plant('tsconfig.json', '{ "compilerOptions": { "module": "NodeNext", "noEmit": true } }')
})

afterEach(() => rmSync(house, { recursive: true }))

describe('the dependency rule', () => {
  it.each([
    ['the kit importing a module', 'src/cqrs/event.ts', 'src/users/user.ts'],
    ['a module importing the read model', 'src/users/user.ts', 'src/read-model/projector.ts'],
    ['a module importing another module', 'src/users/user.ts', 'src/todos/todo.ts'],
    ['the embedded node importing the kit', 'src/embedded-node/node.ts', 'src/cqrs/event.ts'],
    ['the adapter importing the embedded node', 'src/eventstoredb/append.ts', 'src/embedded-node/node.ts'],
    ['a projection importing a command handler', 'projections/users/projection.ts', 'src/users/registration.ts'],
    ['the traces importing what they watch', 'src/tracing/applied.ts', 'src/read-model/projector.ts'],
    ['the metrics importing what they measure', 'src/metrics/projector.ts', 'src/read-model/projector.ts'],
    ['a room importing the composition', 'src/http/app.ts', 'src/main.ts'],
    ['the inspector importing the read model', 'src/inspector/page.tsx', 'src/read-model/writer.ts'],
    ['a circle', 'src/main.ts', 'src/cli.ts', 'src/main.ts'],
  ])('is broken by %s', (_, ...files) => {
    for (const [index, file] of files.slice(0, -1).entries()) {
      plant(file, `import '${relative(file, files[index + 1] ?? file)}'`)
    }
    if (files.at(-1) !== files[0]) plant(files.at(-1) ?? '', 'export {}')
    expect(cruise().stdout).toMatch(/error .* → /)
  })

  it('is kept by a module that imports the kit', () => {
    plant('src/users/user.ts', `import '${relative('src/users/user.ts', 'src/cqrs/event.ts')}'`)
    plant('src/cqrs/event.ts', 'export {}')
    expect(cruise()).toMatchObject({ status: 0 })
  })
})

function plant(file: string, content: string): void {
  mkdirSync(join(house, dirname(file)), { recursive: true })
  writeFileSync(join(house, file), content)
}

const relative = (from: string, to: string) => `${'../'.repeat(from.split('/').length - 1)}${to}`

function cruise() {
  mkdirSync(join(house, 'src'), { recursive: true })
  mkdirSync(join(house, 'projections'), { recursive: true })
  const command = resolve('node_modules/.bin/depcruise')
  return spawnSync(command, ['src', 'projections', '--config', resolve('.dependency-cruiser.cjs')], {
    cwd: house,
    encoding: 'utf8',
  })
}
