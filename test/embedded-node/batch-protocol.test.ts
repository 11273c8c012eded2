import { randomUUID } from 'node:crypto'
import { status } from '@grpc/grpc-js'
import { describe, expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { batchOptions, chunk, connected, freshName, openBatch, structured, uuid, withTimeout } from './raw-calls.ts'

const { raw, client } = await connected()

async function count(stream: string): Promise<number> {
  let events = 0
  for await (const _ of client.readStream(stream)) events++
  return events
}

const answers = (seen: { answers: unknown[] }, wanted: number) =>
  eventually(() => seen.answers.length >= wanted, `${wanted} answers have come`)

describe('the chunks of a batch append', () => {
  test('belong together by their correlation id, whichever form it has', async () => {
    const { call, seen } = openBatch(raw)
    const [stream, id] = [freshName(), randomUUID()]
    call.write(chunk({ correlation: uuid(id), options: batchOptions(stream), final: false }))
    call.write(chunk({ correlation: structured(id), final: false }))
    call.write(chunk({ correlation: uuid(id.toUpperCase()) }))
    await answers(seen, 1)
    expect(seen.answers).toMatchObject([{ stream, said: '2' }])
  })

  test('may bring the options again, which changes nothing', async () => {
    const { call, seen } = openBatch(raw)
    const [stream, other, correlation] = [freshName(), freshName(), uuid(randomUUID())]
    call.write(chunk({ correlation, options: batchOptions(stream), final: false }))
    call.write(chunk({ correlation, options: batchOptions(other, 7n) }))
    await answers(seen, 1)
    expect(seen.answers).toMatchObject([{ stream, said: '1' }])
  })

  test('may be without events, and so may the whole append', async () => {
    const { call, seen } = openBatch(raw)
    const [stream, correlation] = [freshName(), uuid(randomUUID())]
    call.write(chunk({ correlation, options: batchOptions(stream), events: [], final: false }))
    call.write(chunk({ correlation, events: [] }))
    await answers(seen, 1)
    expect(seen.answers).toMatchObject([{ stream, said: 'no stream' }])
  })

  test('are ignored when nothing was begun under their correlation id', async () => {
    const { call, seen } = openBatch(raw)
    const [stream, correlation] = [freshName(), uuid(randomUUID())]
    call.write(chunk({ correlation: uuid(randomUUID()) }))
    call.write(chunk({ correlation, options: batchOptions(stream) }))
    call.write(chunk({ correlation }))
    call.write(chunk({ correlation: uuid(randomUUID()), options: batchOptions(stream) }))
    await answers(seen, 2)
    expect(seen.answers.map(({ said }) => said)).toEqual(['0', '1'])
  })

  test('of an id that was answered begin a new append', async () => {
    const { call, seen } = openBatch(raw)
    const [stream, correlation] = [freshName(), uuid(randomUUID())]
    for (let sent = 1; sent <= 3; sent++) {
      call.write(chunk({ correlation, options: batchOptions(stream) }))
      await answers(seen, sent)
    }
    expect(seen.answers.map(({ said }) => said)).toEqual(['0', '1', '2'])
  })

  test('are too large together: one answer, and the rest is ignored', async () => {
    const { call, seen } = openBatch(raw)
    const [stream, correlation] = [freshName(), uuid(randomUUID())]
    const events = [{ data: Buffer.alloc(600_000) }]
    call.write(chunk({ correlation, options: batchOptions(stream), events, final: false }))
    call.write(chunk({ correlation, events, final: false }))
    call.write(chunk({ correlation, events }))
    call.write(chunk({ correlation: uuid(randomUUID()), options: batchOptions(stream) }))
    await answers(seen, 2)
    expect(seen.answers).toMatchObject([{ said: 'MaximumAppendSizeExceeded', code: 3 }, { said: '0' }])
  })

  test('that are malformed behind the first one end the call, and nothing of theirs is written', async () => {
    const { call, seen } = openBatch(raw)
    const [stream, correlation] = [freshName(), uuid(randomUUID())]
    call.write(chunk({ correlation, options: batchOptions(stream), final: false }))
    call.write(chunk({ correlation, events: [{ metadata: { type: '', 'content-type': 'application/json' } }] }))
    await eventually(() => seen.failure !== undefined, 'the call has failed')
    expect(seen.failure).toMatchObject({ code: status.UNKNOWN, details: 'Exception was thrown by handler.' })
    expect(seen.answers).toEqual([])
    await expect(count(stream)).rejects.toMatchObject({ type: 'stream-not-found' })
  })
})

describe('a batch append', () => {
  const bad: [string, Parameters<typeof chunk>[0]][] = [
    ['without a correlation id', { options: batchOptions('s') }],
    ['with a correlation id that is no UUID', { correlation: uuid('x'), options: batchOptions('s') }],
    ['without an expected position', { correlation: uuid(randomUUID()), options: batchOptions('s', 'nothing') }],
    ['with an expected position of 2^63', { correlation: uuid(randomUUID()), options: batchOptions('s', 2n ** 63n) }],
    ['with the UUID of zeros', zero()],
    ['without a type', { ...fresh(), events: [{ metadata: { 'content-type': 'application/json' } }] }],
    ['without a content type', { ...fresh(), events: [{ metadata: { type: 't' } }] }],
  ]

  function fresh() {
    return { correlation: uuid(randomUUID()), options: batchOptions('s') }
  }

  function zero() {
    return { ...fresh(), events: [{ id: uuid('00000000-0000-0000-0000-000000000000') }] }
  }

  test.each(bad)('%s is a bad request', async (_, request) => {
    const { call, seen } = openBatch(raw)
    call.write(chunk(request))
    await answers(seen, 1)
    expect(seen.answers).toMatchObject([{ said: 'BadRequest', code: status.INVALID_ARGUMENT }])
    expect(seen.failure).toBeUndefined()
  })

  test('that expects position 2^64−1 expects no stream', async () => {
    const { call, seen } = openBatch(raw)
    const stream = freshName()
    for (let sent = 1; sent <= 2; sent++) {
      call.write(chunk({ correlation: uuid(randomUUID()), options: batchOptions(stream, 2n ** 64n - 1n) }))
      await answers(seen, sent)
    }
    expect(seen.answers.map(({ said }) => said)).toEqual(['0', 'WrongExpectedVersion'])
  })

  test.each([
    ['0 ms', 0],
    ['less than nothing', -5_000],
  ])('with a time of %s is a timeout at once', async (_, milliseconds) => {
    const { call, seen } = openBatch(raw)
    const stream = freshName()
    call.write(withTimeout(chunk({ correlation: uuid(randomUUID()), options: batchOptions(stream) }), milliseconds))
    await answers(seen, 1)
    expect(seen.answers).toMatchObject([{ said: 'Timeout', code: status.DEADLINE_EXCEEDED, stream }])
  })

  test.each([
    ['a minute', 60_000, 1_500],
    ['100 ms', 100, 50],
  ])('with a time of %s may take so long, but never more than two seconds', async (_, milliseconds, atLeast) => {
    const { call, seen } = openBatch(raw)
    const request = chunk({ correlation: uuid(randomUUID()), options: batchOptions(freshName()), final: false })
    const begun = performance.now()
    call.write(withTimeout(request, milliseconds))
    await answers(seen, 1)
    expect(seen.answers).toMatchObject([{ said: 'Timeout' }])
    expect(performance.now() - begun).toBeGreaterThan(atLeast)
  })

  test('is written in the order of the last chunks', async () => {
    const { call, seen } = openBatch(raw)
    const [stream, first, second] = [freshName(), uuid(randomUUID()), uuid(randomUUID())]
    call.write(chunk({ correlation: first, options: batchOptions(stream, 0n), final: false }))
    call.write(chunk({ correlation: second, options: batchOptions(stream, 'no stream') }))
    call.write(chunk({ correlation: first, events: [] }))
    await answers(seen, 2)
    expect(seen.answers).toMatchObject([
      { correlation: second.getString(), said: '0' },
      { correlation: first.getString(), said: '1' },
    ])
  })

  test('is answered even when the client half-closes behind it, complete or not', async () => {
    const { call, seen } = openBatch(raw)
    const stream = freshName()
    const incomplete = { correlation: uuid(randomUUID()), options: batchOptions(freshName()), final: false }
    call.write(withTimeout(chunk(incomplete), 200))
    call.write(chunk({ correlation: uuid(randomUUID()), options: batchOptions(stream) }))
    call.end()
    await answers(seen, 2)
    expect(seen.answers.map(({ said }) => said)).toEqual(['0', 'Timeout'])
  })

  test('that is not complete when the call is cancelled is not written', async () => {
    const { call, seen } = openBatch(raw)
    const [stream, done] = [freshName(), freshName()]
    call.write(chunk({ correlation: uuid(randomUUID()), options: batchOptions(stream), final: false }))
    call.write(chunk({ correlation: uuid(randomUUID()), options: batchOptions(done) }))
    await answers(seen, 1)
    call.cancel()
    await eventually(() => seen.failure !== undefined, 'the call is over')
    expect(await count(done)).toBe(1)
    await expect(count(stream)).rejects.toMatchObject({ type: 'stream-not-found' })
  })
})
