import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { BinaryReader } from 'google-protobuf'
import { onTestFinished } from 'vitest'
import { z } from 'zod'

/** What OTLP says of a span (opentelemetry/proto/trace/v1/trace.proto), as far as the tests look at it. */
export interface ReceivedSpan {
  traceId: string
  spanId: string
  /** Empty for the first span of a trace. */
  parentSpanId: string
  name: string
  kind: (typeof kinds)[number]
  /** Nanoseconds since 1970. */
  start: bigint
  end: bigint
  status: 'unset' | 'ok' | 'error'
  readonly attributes: Record<string, unknown>
  readonly resource: Record<string, unknown>
}

export interface Collector {
  readonly url: string
  readonly requests: { readonly path: string | undefined; readonly headers: IncomingHttpHeaders }[]
  readonly spans: ReceivedSpan[]
  /** All bytes that were received, as text. */
  text(): string
  /** Whether requests are answered; else they are received and left waiting. */
  answers: boolean
}

/** An OpenTelemetry collector on loopback that takes traces over OTLP/HTTP with protobuf; closed with the test. */
export async function startCollector(): Promise<Collector> {
  const bodies: Buffer[] = []
  const server = createServer(async (request, response) => {
    const body = await buffer(request)
    bodies.push(body)
    collector.requests.push({ path: request.url, headers: request.headers })
    if (!collector.answers) return
    collector.spans.push(...spansIn(body))
    response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = z.object({ port: z.int() }).parse(server.address())
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const collector: Collector = {
    url: `http://127.0.0.1:${port}`,
    requests: [],
    spans: [],
    text: () => Buffer.concat(bodies).toString('latin1'),
    answers: true,
  }
  return collector
}

const kinds = ['unspecified', 'internal', 'server', 'client', 'producer', 'consumer'] as const
const statuses = ['unset', 'ok', 'error'] as const

/** Of an ExportTraceServiceRequest: resource_spans = 1, each with resource = 1 and scope_spans = 2, each with spans = 2. */
function spansIn(request: Uint8Array): ReceivedSpan[] {
  const spans: ReceivedSpan[] = []
  const resourceSpans = (reader: BinaryReader) => {
    const resource: Record<string, unknown> = {}
    fields(reader, {
      1: () => fields(reader, { 1: () => attribute(reader, resource) }),
      2: () => fields(reader, { 2: () => spans.push(span(reader, resource)) }),
    })
  }
  const reader = new BinaryReader(request)
  fields(reader, { 1: () => resourceSpans(reader) }, false)
  return spans
}

function span(reader: BinaryReader, resource: Record<string, unknown>): ReceivedSpan {
  const made: ReceivedSpan = {
    ...{
      traceId: '',
      spanId: '',
      parentSpanId: '',
      name: '',
      kind: 'unspecified',
      start: 0n,
      end: 0n,
      status: 'unset',
    },
    ...{ attributes: {}, resource },
  }
  const hex = () => Buffer.from(reader.readBytes()).toString('hex')
  const status = () => fields(reader, { 3: () => (made.status = statuses[reader.readEnum()] ?? 'unset') })
  fields(reader, {
    1: () => (made.traceId = hex()),
    2: () => (made.spanId = hex()),
    4: () => (made.parentSpanId = hex()),
    5: () => (made.name = reader.readString()),
    6: () => (made.kind = kinds[reader.readEnum()] ?? 'unspecified'),
    7: () => (made.start = BigInt(reader.readFixed64String())),
    8: () => (made.end = BigInt(reader.readFixed64String())),
    9: () => attribute(reader, made.attributes),
    15: status,
  })
  return made
}

/** A KeyValue: key = 1, value = 2. */
function attribute(reader: BinaryReader, attributes: Record<string, unknown>): void {
  let key = ''
  let value: unknown
  fields(reader, { 1: () => (key = reader.readString()), 2: () => (value = anyValue(reader)) })
  attributes[key] = value
}

function anyValue(reader: BinaryReader): unknown {
  let value: unknown
  const values: unknown[] = []
  fields(reader, {
    1: () => (value = reader.readString()),
    2: () => (value = reader.readBool()),
    3: () => (value = reader.readInt64()),
    4: () => (value = reader.readDouble()),
    5: () => {
      fields(reader, { 1: () => values.push(anyValue(reader)) })
      value = values
    },
  })
  return value
}

/** Reads the message that comes next, or with `isNested: false` all there is; fields without a reader are skipped. */
function fields(reader: BinaryReader, readers: Readonly<Record<number, () => unknown>>, isNested = true): void {
  const read = () => {
    while (reader.nextField() && !reader.isEndGroup()) {
      const readField = readers[reader.getFieldNumber()]
      if (readField) readField()
      else reader.skipField()
    }
  }
  if (isNested) reader.readMessage({}, read)
  else read()
}
