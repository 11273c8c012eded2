import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { EventStoreDBClient } from '@eventstore/db-client'
import { describe, expect, it, onTestFinished } from 'vitest'
import { z } from 'zod'
import { SECRET, startReceiver } from '../reactions/receiver.ts'
import { anEmail, register } from '../support/api.ts'
import { type Collector, startCollector } from '../support/collector.ts'
import { startNode, startService, temporaryDirectory, waitUntil } from '../support/processes.ts'

const TRACE = '0af7651916cd43dd8448eb211c80319c'
const CALLER = 'b7ad6b7169203331'

/** The bare API, which does nothing alone, comes with the metrics' library as well. */
const ofSdk = /@opentelemetry\/(?!api\/)/

describe('traces of the service', () => {
  it.each([
    ['a reaction of its own', {}],
    ['a reaction that services share', { WEBHOOK_GROUP: 'mail' }],
  ])('are one from a request over the append to the read model and %s', async (_, group) => {
    const [collector, receiver, node] = await Promise.all([
      startCollector(),
      startReceiver(),
      startNode(temporaryDirectory()),
    ])
    const { url } = await startService({
      ...{ EVENTSTORE_URL: node.url, DATA_DIR: temporaryDirectory() },
      ...{ WEBHOOK_URL: receiver.url, WEBHOOK_SECRET: SECRET, ...group },
      ...toCollector(collector),
    })
    const email = anEmail()
    const traceparent = `00-${TRACE}-${CALLER}-01`
    const answer = await register(url, email, { 'x-request-id': 'request-1', traceparent })
    expect(answer.status).toBe(201)
    await waitUntil(() => collector.spans.length >= 6, 'six spans')

    expect(collector.spans.every(({ traceId }) => traceId === TRACE)).toBe(true)
    const [request, command, append, apply, react, post] = [
      named(collector, 'POST /user/registration'),
      named(collector, 'register user'),
      named(collector, 'append user'),
      named(collector, 'apply user'),
      named(collector, 'react user'),
      named(collector, 'POST'),
    ]
    expect(request).toMatchObject({ kind: 'server', parentSpanId: CALLER, status: 'unset' })
    expect(command).toMatchObject({ kind: 'internal', parentSpanId: request.spanId })
    expect(append).toMatchObject({ kind: 'client', parentSpanId: command.spanId })
    expect(apply).toMatchObject({ kind: 'consumer', parentSpanId: append.spanId })
    expect(react).toMatchObject({ kind: 'consumer', parentSpanId: append.spanId })
    expect(post).toMatchObject({ kind: 'client', parentSpanId: react.spanId })
    expect(collector.spans).toHaveLength(6)
    expect(apply.start).toBeGreaterThan(append.start)

    expect(request.attributes).toEqual({
      'http.request.method': 'POST',
      'http.route': '/user/registration',
      'url.scheme': 'http',
      'http.response.status_code': 201,
      'http.response.header.x-request-id': ['request-1'],
    })
    expect(request.resource).toMatchObject({ 'service.name': 'rollbook', 'deployment.environment.name': 'test' })
    expect(collector.requests[0]).toMatchObject({ path: '/v1/traces', headers: { authorization: 'Bearer key' } })

    expect(receiver.deliveries.map(({ headers }) => headers['traceparent'])).toEqual([`00-${TRACE}-${post.spanId}-01`])
    expect(await metadataOf(node.url, `user-${email}`)).toMatchObject({
      correlationId: 'request-1',
      traceparent: `00-${TRACE}-${append.spanId}-01`,
    })
    for (const personal of [email, 'Lovelace', 'example.com']) expect(collector.text()).not.toContain(personal)
  })

  it.each([
    ['nothing asks for them', () => ({})],
    ['the SDK is disabled', (collector: Collector) => ({ ...toCollector(collector), OTEL_SDK_DISABLED: 'true' })],
  ])('are not sent, nor is what sends them loaded, where %s', async (_, variables) => {
    const [collector, receiver, node] = await Promise.all([
      startCollector(),
      startReceiver(),
      startNode(temporaryDirectory()),
    ])
    const NODE_V8_COVERAGE = temporaryDirectory()
    const service = await startService({
      ...{ EVENTSTORE_URL: node.url, DATA_DIR: temporaryDirectory(), NODE_V8_COVERAGE },
      ...{ WEBHOOK_URL: receiver.url, WEBHOOK_SECRET: SECRET },
      ...variables(collector),
    })
    const email = anEmail()
    expect((await register(service.url, email, { traceparent: `00-${TRACE}-${CALLER}-01` })).status).toBe(201)
    await waitUntil(() => receiver.deliveries.length > 0, 'the webhook')
    service.process.kill('SIGTERM')
    expect(await service.ended).toBe(0)

    expect(scriptsIn(NODE_V8_COVERAGE).filter((file) => file.includes('hono'))).not.toEqual([])
    expect(scriptsIn(NODE_V8_COVERAGE).filter((file) => ofSdk.test(file))).toEqual([])
    expect(collector.requests).toEqual([])
    expect(receiver.deliveries[0]?.headers).not.toHaveProperty('traceparent')
    expect(await metadataOf(node.url, `user-${email}`)).not.toHaveProperty('traceparent')
  })

  it('follow a mutation over its reads and appends', async () => {
    const collector = await startCollector()
    const { url } = await startService({ DATA_DIR: temporaryDirectory(), ...toCollector(collector) })
    const graphql = async (query: string) => {
      const headers = { 'content-type': 'application/json', 'x-initiated-by': 'Ada.Lovelace' }
      const answer = await fetch(`${url}/graphql`, { method: 'POST', headers, body: JSON.stringify({ query }) })
      return await answer.json()
    }
    const { newTodo } = created.parse(await graphql('mutation { newTodo(text: "Buy milk") { id } }')).data
    await waitUntil(() => collector.spans.some(({ name }) => name === 'apply todo'), 'the first mutation to be applied')
    collector.spans.length = 0
    await graphql(`mutation { todo(id: "${newTodo.id}") { complete { id } } }`)
    await waitUntil(() => collector.spans.length >= 5, 'five spans')
    const command = named(collector, 'change to-dos')
    expect(named(collector, 'read todo').parentSpanId).toBe(command.spanId)
    expect(named(collector, 'POST /graphql').spanId).toBe(command.parentSpanId)
    const append = named(collector, 'append todo')
    expect(append.parentSpanId).toBe(command.spanId)
    expect(named(collector, 'apply todo').parentSpanId).toBe(append.spanId)
    for (const personal of ['Lovelace', 'milk']) expect(collector.text()).not.toContain(personal)
  })

  it('are sent when the service stops, and load what sends them', async () => {
    const collector = await startCollector()
    const NODE_V8_COVERAGE = temporaryDirectory()
    const variables = { ...toCollector(collector), OTEL_BSP_SCHEDULE_DELAY: '60000', OTEL_SERVICE_NAME: 'mine' }
    const service = await startService({ DATA_DIR: temporaryDirectory(), NODE_V8_COVERAGE, ...variables })
    expect((await register(service.url, anEmail())).status).toBe(201)
    expect(collector.requests).toEqual([])
    service.process.kill('SIGTERM')
    expect(await service.ended).toBe(0)
    expect(named(collector, 'append user').resource).toMatchObject({ 'service.name': 'mine' })
    expect(scriptsIn(NODE_V8_COVERAGE).filter((file) => ofSdk.test(file))).not.toEqual([])
  })

  it.each([
    ['is not there', async () => 'http://127.0.0.1:9'],
    ['never answers', async () => Object.assign(await startCollector(), { answers: false }).url],
  ])('keep nobody waiting, and take one line of the log, where the collector %s', async (_, start) => {
    const service = await startService({
      ...{ DATA_DIR: temporaryDirectory(), OTEL_EXPORTER_OTLP_ENDPOINT: await start() },
      ...{ OTEL_BSP_SCHEDULE_DELAY: '20', OTEL_BSP_EXPORT_TIMEOUT: '200', OTEL_EXPORTER_OTLP_TIMEOUT: '100' },
    })
    const failures = () => service.output().match(/traces cannot be sent/g) ?? []
    const registrations = async () => {
      const began = performance.now()
      expect((await register(service.url, anEmail())).status).toBe(201)
      return performance.now() - began
    }
    await registrations()
    await waitUntil(() => failures().length > 0, 'the line')
    for (let count = 0; count < 20; count++) expect(await registrations()).toBeLessThan(2_000)
    const stopping = performance.now()
    service.process.kill('SIGTERM')
    expect(await service.ended).toBe(0)
    expect(performance.now() - stopping).toBeLessThan(5_000)
    expect(failures()).toHaveLength(1)
    expect(service.output()).not.toMatch(/rejection|ECONNREFUSED.*\n.*ECONNREFUSED/)
  })

  it('are lost with a collector that never answers, a second after the service has stopped', async () => {
    const collector = Object.assign(await startCollector(), { answers: false })
    const service = await startService({ DATA_DIR: temporaryDirectory(), ...toCollector(collector) })
    expect((await register(service.url, anEmail())).status).toBe(201)
    await waitUntil(() => collector.requests.length > 0, 'the collector to be sent something')
    expect((await register(service.url, anEmail())).status).toBe(201)
    service.process.kill('SIGTERM')
    expect(await service.ended).toBe(0)
    expect(service.output()).toMatch(/not done within 1000 ms.*the last traces were not sent/)
  })

  it('leave out what the sampler leaves out, and say so to who comes after', async () => {
    const [collector, node] = await Promise.all([startCollector(), startNode(temporaryDirectory())])
    const service = await startService({
      ...{ EVENTSTORE_URL: node.url, DATA_DIR: temporaryDirectory(), ...toCollector(collector) },
      ...{ OTEL_TRACES_SAMPLER: 'parentbased_traceidratio', OTEL_TRACES_SAMPLER_ARG: '0' },
    })
    const email = anEmail()
    expect((await register(service.url, email)).status).toBe(201)
    service.process.kill('SIGTERM')
    expect(await service.ended).toBe(0)
    expect(collector.requests).toEqual([])
    expect(await metadataOf(node.url, `user-${email}`)).toMatchObject({ traceparent: expect.stringMatching(/-00$/) })
  })

  it('go to the console where that is asked for', async () => {
    const service = await startService({ DATA_DIR: temporaryDirectory(), OTEL_TRACES_EXPORTER: 'console' })
    expect((await register(service.url, anEmail())).status).toBe(201)
    await waitUntil(() => service.output().includes('POST /user/registration'), 'the span')
  })
})

const toCollector = ({ url }: Collector) => ({
  OTEL_EXPORTER_OTLP_ENDPOINT: url,
  OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer key',
  OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=test',
  OTEL_BSP_SCHEDULE_DELAY: '50',
})

function named({ spans }: Collector, name: string) {
  const span = spans.find((one) => one.name === name)
  if (!span) throw new Error(`no span ${name} among ${spans.map((one) => one.name).join(', ')}`)
  return span
}

async function metadataOf(url: string, stream: string): Promise<unknown> {
  const client = EventStoreDBClient.connectionString(url)
  onTestFinished(() => client.dispose())
  for await (const { event } of client.readStream(stream, { maxCount: 1 })) return event?.metadata
  return undefined
}

/** The files that processes have loaded which were started with this folder as NODE_V8_COVERAGE. */
function scriptsIn(folder: string): string[] {
  return readdirSync(folder).flatMap((file) =>
    coverage.parse(JSON.parse(readFileSync(join(folder, file), 'utf8'))).result.map(({ url }) => url),
  )
}

const created = z.object({ data: z.object({ newTodo: z.object({ id: z.string() }) }) })

const coverage = z.object({ result: z.array(z.object({ url: z.string() })) })
