import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { parse as parseYaml } from 'yaml'
import { z } from 'zod'
import { printed, run, waitUntil } from '../faults/processes.ts'
import { SECRET } from '../reactions/receiver.ts'
import { register } from '../support/api.ts'
import { type Family, figureIn, parse } from './exposition.ts'

/** What a service shows that has something of everything: a node, a webhook that was sent, commands and queries. */
async function familiesOfAService(): Promise<Family[]> {
  const DATA_DIR = mkdtempSync(join(tmpdir(), 'rollbook-'))
  const receiver = createServer((_, response) => void response.writeHead(204).end()).listen(0, '127.0.0.1')
  await once(receiver, 'listening')
  const { port } = z.object({ port: z.int() }).parse(receiver.address())
  const WEBHOOK_URL = `http://127.0.0.1:${port}/`
  // Little room, so that there is garbage collection to be shown.
  const NODE_OPTIONS = '--max-semi-space-size=1'
  const service = run(['serve'], { DATA_DIR, WEBHOOK_URL, WEBHOOK_SECRET: SECRET, NODE_OPTIONS })
  afterAll(async () => {
    service.process.kill('SIGKILL')
    await service.ended
    receiver.close()
    rmSync(DATA_DIR, { recursive: true, force: true })
  })
  const url = await printed(service, /API: (http:\/\/[^\s"]+)/)
  await waitUntil(async () => (await register(url, `${randomUUID()}@example.com`)).ok, 'a registration')
  await fetch(`${url}/${'x'.repeat(9_000)}`)
  const scrape = async () => parse(await (await fetch(`${url}/metrics`)).text())
  const attempts = 'rollbook_reaction_attempt_duration_seconds_count'
  await waitUntil(async () => figureIn(await scrape(), attempts, { outcome: 'done' }) === 1, 'the webhook')
  await waitUntil(
    async () => figureIn(await scrape(), 'rollbook_projector_applied_events_total') === 1,
    'the projector',
  )
  await waitUntil(
    async () => figureIn(await scrape(), 'nodejs_gc_duration_seconds_count') !== undefined,
    'a collection',
  )
  return scrape()
}

const families = await familiesOfAService()
const own = families.filter(({ name }) => name.startsWith('rollbook_'))

const labelsOf = ({ samples }: Family) => [...new Set(samples.flatMap(({ labels }) => Object.keys(labels)))]

/** Added by Prometheus to what it scrapes. */
const SCRAPED = ['job', 'instance']

/** What is wrong with a query, given what there is. */
function faultsOf(query: string): string[] {
  const names = [...query.matchAll(/\b(?:rollbook|process|nodejs)_\w+/g)].map(([name]) => name)
  const known = names.flatMap((name) => familyOf(name) ?? [])
  const unknown = names.filter((name) => !familyOf(name)).map((name) => `there is no ${name}`)
  const selected = [...query.matchAll(/(\w+)\{([^}]*)\}/g)].flatMap(([, name = '', matchers = '']) =>
    [...matchers.matchAll(/(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"/g)].flatMap(([, label = '', operator, value]) => {
      if (SCRAPED.includes(label)) return []
      const values = familyOf(name)?.samples.flatMap(({ labels }) => labels[label] ?? []) ?? []
      if (values.length === 0) return [`${name} has no label ${label}`]
      return operator === '=' && !values.includes(value ?? '') ? [`no ${label} of ${name} is ${value}`] : []
    }),
  )
  const grouped = [...query.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, labels = '']) =>
    labels
      .split(/,\s*/)
      .filter((label) => !SCRAPED.includes(label) && !known.some((family) => labelsOf(family).includes(label)))
      .map((label) => `no metric has the label ${label}: ${query}`),
  )
  return [...(names.length === 0 ? [`${query} asks for nothing`] : []), ...unknown, ...selected, ...grouped]
}

/** Also by the name of a sample of a histogram. */
function familyOf(name: string): Family | undefined {
  return families.find((family) => family.name === name || family.samples.some((sample) => sample.name === name))
}

describe('the metrics of a service', () => {
  it('are named by the conventions of Prometheus', () => {
    for (const { name, type, help } of own) {
      expect(name).toMatch(/^rollbook(_[a-z]+)+$/)
      // https://prometheus.io/docs/practices/naming/: base units, and `_total` for what only grows.
      expect(name).not.toMatch(/_(ms|milliseconds|micros|nanos|minutes|hours|kb|mb|kilobytes|percent)(_|$)/)
      expect(name.endsWith('_total'), name).toBe(type === 'counter')
      if (type === 'histogram') expect(name).toMatch(/_(seconds|bytes|events)$/)
      expect(help).toMatch(/^[A-Z].*\.$/)
    }
  })

  it('are those of the table in docs/metrics.md', () => {
    const rows = [...document.matchAll(/^\| `(rollbook_\w+)` +\| (\w+) +\| (.*?) +\| (.*?) +\|$/gm)]
    const shown = own.map((family) => {
      const labels = labelsOf(family).filter((label) => label !== 'le')
      return [family.name, family.type, labels.map((label) => `\`${label}\``).join(', '), family.help]
    })
    expect(rows.map(([, ...columns]) => columns).sort()).toEqual(shown.sort())
  })
})

const document = readFileSync('docs/metrics.md', 'utf8')

const panel = z.object({
  ...{ id: z.int(), type: z.string(), title: z.string().min(1) },
  gridPos: z.object({ h: z.int(), w: z.int(), x: z.int(), y: z.int() }),
  fieldConfig: z.object({ defaults: z.object({ unit: z.string() }) }).optional(),
  targets: z
    .array(z.object({ expr: z.string(), datasource: z.object({ uid: z.string().regex(/^\$\{DS_PROMETHEUS\}$/) }) }))
    .default([]),
})
const dashboard = z
  .object({
    __inputs: z.tuple([z.object({ name: z.literal('DS_PROMETHEUS'), type: z.literal('datasource') })]),
    ...{ id: z.null(), uid: z.literal('rollbook'), schemaVersion: z.int().min(38) },
    templating: z.object({ list: z.array(z.object({ name: z.string(), definition: z.string() })) }),
    panels: z.array(panel),
  })
  .parse(JSON.parse(readFileSync('docs/grafana-dashboard.json', 'utf8')))

describe('the dashboard for Grafana', () => {
  const panels = dashboard.panels.filter(({ type }) => type !== 'row')

  it.each(panels.map(({ title, targets }) => ({ title, targets })))('asks for what there is: $title', ({ targets }) => {
    expect(targets).not.toEqual([])
    expect(targets.flatMap(({ expr }) => faultsOf(expr))).toEqual([])
  })

  it('takes its variables from what there is', () => {
    const { list } = dashboard.templating
    expect(list.map(({ name }) => name)).toEqual(SCRAPED)
    expect(list.flatMap(({ definition }) => faultsOf(definition))).toEqual([])
  })

  it('shows every metric of the service, with its unit, in a place of its own', () => {
    const queries = panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)).join('\n')
    expect(own.filter(({ name }) => !new RegExp(`${name}(_bucket|_count|_sum)?\\b`).test(queries))).toEqual([])
    expect(panels.filter(({ fieldConfig }) => !fieldConfig)).toEqual([])
    const { length } = dashboard.panels
    expect(new Set(dashboard.panels.map(({ id }) => id)).size).toBe(length)
    expect(new Set(dashboard.panels.map(({ gridPos: { x, y } }) => `${x} ${y}`)).size).toBe(length)
    for (const { gridPos } of panels) expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24)
  })
})

describe('the alerts in docs/metrics.md', () => {
  const rule = z.strictObject({
    ...{ alert: z.string(), expr: z.string(), for: z.string().optional() },
    annotations: z.object({ summary: z.string() }),
  })
  const rules = z.object({ groups: z.tuple([z.object({ name: z.string(), rules: z.array(rule) })]) })
  const yaml = /```yaml\n(groups:.*?)```/s.exec(document)?.[1] ?? ''

  it.each(rules.parse(parseYaml(yaml)).groups[0].rules)('ask for what there is: $alert', ({ expr }) => {
    expect(faultsOf(expr)).toEqual([])
  })
})

it('a query for what there is not would be found out', () => {
  expect(faultsOf('rate(rollbook_requests_total[5m])')).toEqual(['there is no rollbook_requests_total'])
  expect(faultsOf('rollbook_ready{tenant="a"}')).toEqual(['rollbook_ready has no label tenant'])
  expect(faultsOf('rollbook_commands_total{outcome="lost"}')).toEqual(['no outcome of rollbook_commands_total is lost'])
  expect(faultsOf('sum by (tenant) (rollbook_ready)')).toHaveLength(1)
  expect(faultsOf('vector(1)')).toHaveLength(1)
})
