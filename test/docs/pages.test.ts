import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { readConfig } from '../../src/config.ts'
import { run } from '../faults/processes.ts'
import { anchorsOf, blocksOf, proseOf } from './markdown.ts'

const documents = readdirSync('docs', { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.md'))
const pages = ['README.md', 'CHANGELOG.md', ...documents.map((name) => join('docs', name))].sort()

describe.each(pages)('%s', (page) => {
  it('links to files and headings that are there', () => {
    const broken = linksOf(page).filter((link) => !leadsSomewhere(page, link))
    expect(broken).toEqual([])
  })

  it('names files that are there, or that it has made', () => {
    const made = blocksOf(page).map(({ file }) => file)
    const named = [...readFileSync(page, 'utf8').matchAll(/`((?:src|projections|test|bench|docs)\/[\w./-]+)`/g)]
    const missing = named.map(([, path = '']) => path).filter((path) => !existsSync(path) && !made.includes(path))
    expect(missing).toEqual([])
  })

  it('names commands that there are', async () => {
    const text = readFileSync(page, 'utf8')
    const scripts = [...text.matchAll(/\bnpm run ([a-z][\w:-]*)/g)].map(([, name = '']) => name)
    expect(scripts.filter((name) => !(name in packageJson.scripts))).toEqual([])

    const { all, ofNode } = await commands()
    const named = [...text.matchAll(/(?:`|\$ |npx |&& |\| )rollbook ([a-z][\w-]*)(?: ([a-z][\w-]*))?/g)]
    expect(named.map(([, command = '']) => command).filter((command) => !all.includes(command))).toEqual([])
    const subcommands = named.flatMap(([, command, sub]) => (command === 'node' && sub !== undefined ? [sub] : []))
    expect(subcommands.filter((sub) => !ofNode.includes(sub))).toEqual([])
  })
})

describe('README.md', () => {
  it('has a line for each variable of the configuration, and for no other', () => {
    expect(variablesOfTable()).toEqual(variablesRead())
  })

  it('has a line for each command', async () => {
    const { all, ofNode } = await commands()
    const wanted = [...all, ...ofNode.map((command) => `node ${command}`)].map((command) => `rollbook ${command}`)
    const shown = [...section('The command line').matchAll(/^\|[^|]*\| `(rollbook [a-z]+(?: [a-z-]+)?)/gm)]
    expect(shown.map(([, command]) => command).sort()).toEqual(wanted.sort())
  })

  it('leads to every page', () => {
    const reached = new Set(['README.md'])
    for (const page of reached) {
      for (const link of linksOf(page)) {
        const target = relative('.', resolve(dirname(page), link.replace(/#.*/, '')))
        if (target.endsWith('.md') && existsSync(target)) reached.add(target)
      }
    }
    expect(pages.filter((page) => !reached.has(page))).toEqual([])
  })
})

const packageJson = z
  .object({ scripts: z.record(z.string(), z.string()) })
  .parse(JSON.parse(readFileSync('package.json', 'utf8')))

/** Those that are not to other sites; of pictures, too. */
function linksOf(page: string): string[] {
  const links = [...proseOf(page).matchAll(/\]\(([^)\s]+)\)|\b(?:href|src|srcset)="([^"]+)"/g)].map(
    ([, markdown, html = '']) => markdown ?? html,
  )
  return links.filter((link) => !/^[a-z]+:/.test(link))
}

function leadsSomewhere(page: string, link: string): boolean {
  const [path = '', anchor] = link.split('#')
  const file = path === '' ? page : resolve(dirname(page), path)
  if (!existsSync(file)) return false
  if (anchor === undefined) return true
  return statSync(file).isFile() && anchorsOf(file).includes(anchor)
}

function section(heading: string): string {
  const text = readFileSync('README.md', 'utf8')
  return text.split(`## ${heading}\n`)[1]?.split(/^## /m)[0] ?? ''
}

/** Other libraries read the OTEL variables. */
function variablesOfTable(): string[] {
  const names = [...section('Configuration').matchAll(/^\| (`[^|]*`) \|/gm)].flatMap(([, cell = '']) =>
    cell.match(/\w+/g),
  )
  return names
    .filter((name) => name !== null && !name.startsWith('OTEL_'))
    .map(String)
    .sort()
}

/** All that a configuration in which everything is on asks for. */
function variablesRead(): string[] {
  const asked = new Set<string>()
  const environment: Record<string, string> = {
    ...{ WEBHOOK_URL: 'http://localhost/', WEBHOOK_SECRET: `whsec_${'A'.repeat(32)}` },
    ...{ EMBEDDED_NODE_TLS_CERTIFICATE: 'certificate', EMBEDDED_NODE_TLS_KEY: 'key' },
  }
  const spy = new Proxy(environment, {
    get(variables, name) {
      if (typeof name === 'string') asked.add(name)
      return Reflect.get(variables, name)
    },
  })
  readConfig(spy)
  // What npm says, and what tests ask for; those of OpenTelemetry have a page of their own.
  const notHere = /^(npm_lifecycle_event|ROLLBOOK_FAILPOINTS|OTEL_.*)$/
  return [...asked].filter((name) => !notHere.test(name)).sort()
}

let known: Promise<{ all: string[]; ofNode: string[] }> | undefined

/** As the command line itself lists them. */
function commands(): Promise<{ all: string[]; ofNode: string[] }> {
  known ??= Promise.all([listed(['--help']), listed(['node', '--help'])]).then(([all, ofNode]) => ({ all, ofNode }))
  return known
}

async function listed(parameters: readonly string[]): Promise<string[]> {
  const help = run(parameters)
  expect(await help.ended, help.output()).toBe(0)
  const list = help.output().split('Commands:\n')[1] ?? ''
  return [...list.matchAll(/^ {2}([a-z-]+)/gm)].map(([, name = '']) => name).filter((name) => name !== 'help')
}
