import { execFile } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { z } from 'zod'
import { printed, run } from '../faults/processes.ts'

const execute = promisify(execFile)

const versioned = z.record(z.string(), z.string())
const manifest = z
  .object({ version: z.string(), dependencies: versioned, devDependencies: versioned })
  .parse(JSON.parse(readFileSync('package.json', 'utf8')))

const packed = z.array(
  z.object({ filename: z.string(), size: z.number(), files: z.array(z.object({ path: z.string() })) }),
)

/** A project of somebody else, with the packed package in it. */
let project: string
let tarball: z.infer<typeof packed>[number]

beforeAll(async () => {
  project = mkdtempSync(join(tmpdir(), 'rollbook-package-'))
  // What was built last, as everything that these tests run.
  const { stdout } = await execute('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', project])
  const [made] = packed.parse(JSON.parse(stdout))
  if (made === undefined) throw new Error(`npm pack made nothing: ${stdout}`)
  tarball = made
  await install()
  return () => rmSync(project, { recursive: true, force: true })
}, 180_000)

/** As its users do, but for SQLite, which takes a minute to compile: they get the one that is compiled here. */
async function install(): Promise<void> {
  const sqlite = 'node_modules/better-sqlite3'
  const { version } = z
    .object({ version: z.string() })
    .parse(JSON.parse(readFileSync(`${sqlite}/package.json`, 'utf8')))
  const users = {
    ...{ name: 'somebody-elses', private: true, type: 'module' },
    dependencies: { rollbook: `file:${tarball.filename}`, zod: manifest.dependencies['zod'] },
    devDependencies: { '@types/node': manifest.devDependencies['@types/node'] },
    overrides: { 'better-sqlite3': version },
  }
  writeFileSync(join(project, 'package.json'), JSON.stringify(users))
  const options = ['--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund']
  await execute('npm', ['install', ...options], { cwd: project })
  const compiled = `${sqlite}/build/Release/better_sqlite3.node`
  cpSync(compiled, join(project, compiled))
}

describe('the packed package', () => {
  it('has what its users need, and nothing else', () => {
    const paths = tarball.files.map(({ path }) => path)
    expect(paths).toEqual(expect.arrayContaining(['package.json', 'README.md', 'LICENSE', 'CHANGELOG.md']))
    const others = paths.filter((path) => !/^dist\/(src|projections)\/|^[^/]+$/.test(path))
    expect(others).toEqual([])
    expect(paths.filter((path) => /\.test\.|(?<!\.d)\.ts$|\.tsbuildinfo$/.test(path))).toEqual([])
    expect(tarball.size).toBeLessThan(1_500_000)
  })

  it('has source maps that need no sources beside them', () => {
    const maps = tarball.files.map(({ path }) => path).filter((path) => path.endsWith('.map'))
    expect(maps.length).toBeGreaterThan(100)
    const sourceMap = z.object({ sources: z.array(z.string()).min(1), sourcesContent: z.array(z.string().min(1)) })
    for (const path of maps) {
      const map = sourceMap.parse(JSON.parse(readFileSync(join(project, 'node_modules/rollbook', path), 'utf8')))
      expect(map.sourcesContent, path).toHaveLength(map.sources.length)
    }
  })
})

const compilerOptions = {
  ...{ target: 'ES2023', module: 'NodeNext', types: ['node'], outDir: 'out', rootDir: '.' },
  ...{ strict: true, exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true, verbatimModuleSyntax: true },
}

const document = readFileSync('docs/kit.md', 'utf8')
const EXAMPLE = /```ts\n(.*?)```/s.exec(document)?.[1] ?? ''

async function execution(file: string): Promise<string> {
  const { stdout } = await execute(process.execPath, [join(project, file)], { cwd: project })
  return stdout.trim()
}

describe('in a project of its own', () => {
  it('its types are complete and strict: the example of docs/kit.md compiles, and a program on a node', async () => {
    writeFileSync(join(project, 'account.ts'), EXAMPLE)
    writeFileSync(join(project, 'lamp.ts'), LAMP)
    writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.ts'] }))
    const compiler = resolve('node_modules/typescript/bin/tsc')
    await execute(process.execPath, [compiler], { cwd: project }).catch((error) => expect.fail(error.stdout))
  }, 120_000)

  it('the example does what the document says', async () => {
    expect(await execution('out/account.js')).toBe(/It prints `(.*)`/.exec(document)?.[1])
  })

  it('commands run on an embedded node', async () => {
    expect(await execution('out/lamp.js')).toBe('version 1 { isOn: true }')
  })

  it('the service starts, with its pages', async () => {
    const dist = join(project, 'node_modules/rollbook/dist')
    const service = run(['serve'], { DATA_DIR: join(project, 'data') }, { dist })
    onTestFinished(() => void service.process.kill('SIGKILL'))
    const url = await printed(service, /API: (http:\/\/[^\s"]+)/)
    for (const path of ['/users', '/openapi.json', '/docs']) expect((await fetch(url + path)).status, path).toBe(200)
    service.process.kill('SIGTERM')
    expect(await service.ended, service.output()).toBe(0)
  })

  it('the command is there under its name', async () => {
    const { stdout } = await execute(join(project, 'node_modules/.bin/rollbook'), ['--help'])
    expect(stdout).toMatch(/^Usage: rollbook /)
  })
})

const LAMP = `
import { z } from 'zod'
import { startNode } from 'rollbook/embedded-node'
import { connectEventStore } from 'rollbook/eventstoredb/event-store'
import { eventStoreSnapshots } from 'rollbook/eventstoredb/snapshots'
import { aggregate } from 'rollbook/kit/aggregate'
import { entityStore } from 'rollbook/kit/entity-store'

const lamp = aggregate({
  type: 'lamp',
  initial: { isOn: false },
  events: { switched: z.object({ isOn: z.boolean() }) },
  apply: (_: { isOn: boolean }, { data }) => data,
})
const node = await startNode({ dataDir: 'store', port: 0 })
const events = connectEventStore(\`esdb://\${node.address}?tls=false\`)
const lamps = entityStore(lamp, { events, snapshots: eventStoreSnapshots(events) })
const { entity } = await lamps.loadOrDefaultExecAndPersist(lamp.id('1'), () => [{ type: 'switched', data: { isOn: true } }])
console.log(\`version \${entity.version}\`, entity.state)
await events.close()
await node.close()
`
