import { EventStoreDBClient } from '@eventstore/db-client'
import { describe, expect, it, onTestFinished } from 'vitest'
import { SECRET, startReceiver } from '../reactions/receiver.ts'
import { anEmail, register } from '../support/api.ts'
import { type Collector, startCollector } from '../support/collector.ts'
import { startNode, startService, temporaryDirectory, waitUntil } from '../support/processes.ts'

const TRACE = '0af7651916cd43dd8448eb211c80319c'
const CALLER = 'b7ad6b7169203331'

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
