import { jsonEvent } from '@eventstore/db-client'
import streams from '@eventstore/db-client/generated/streams_pb.js'
import { type ServiceError, status } from '@grpc/grpc-js'
import { describe, expect, onTestFinished, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { connected, type Failed, failed, freshName, ofAll, ofStream, readOptions } from './raw-calls.ts'

const { raw, client } = await connected()

const subscribing = (): streams.ReadReq.Options =>
  readOptions().setSubscription(new streams.ReadReq.Options.SubscriptionOptions())

/** What a subscription sends, in order and in words; of an event its revision. */
function subscribe(options: streams.ReadReq.Options) {
  const seen: { said: string[]; failure: Failed | undefined } = { said: [], failure: undefined }
  const call = raw.read(new streams.ReadReq().setOptions(options))
  call.on('data', (response: streams.ReadResp) => {
    const revision = response.getEvent()?.getEvent()?.getStreamRevision()
    if (response.hasConfirmation()) seen.said.push('confirmation')
    else if (response.hasCaughtUp()) seen.said.push('caught up')
    else if (response.hasCheckpoint()) seen.said.push('checkpoint')
    else if (response.hasStreamNotFound()) seen.said.push('not found')
    else seen.said.push(revision ?? 'something else')
  })
  call.on('error', (error: ServiceError) => {
    seen.failure = failed(error)
  })
  onTestFinished(() => call.cancel())
  return seen
}

async function append(stream: string, ...types: string[]): Promise<void> {
  await client.appendToStream(
    stream,
    types.map((type) => jsonEvent({ type, data: {} })),
  )
}

/** What was said once `last` has come. */
async function until(seen: { said: string[] }, last: string): Promise<string[]> {
  await eventually(() => seen.said.at(-1) === last, `the last that is said is ${last}; it is ${seen.said.join()}`)
  return seen.said
}

const TOMBSTONE = String(2n ** 63n - 1n)

describe('a subscription to a stream', () => {
  test('is confirmed, given what is there, caught up once, and given what comes', async () => {
    const stream = freshName()
    await append(stream, 'a', 'b')
    const seen = subscribe(subscribing().setStream(ofStream(stream)))
    await until(seen, 'caught up')
    await append(stream, 'c')
    expect(await until(seen, '2')).toEqual(['confirmation', '0', '1', 'caught up', '2'])
  })

  test('from the end of a stream that is not there is caught up at once', async () => {
    const stream = freshName()
    const seen = subscribe(subscribing().setStream(ofStream(stream, 'end')))
    await until(seen, 'caught up')
    await append(stream, 'a')
    expect(await until(seen, '0')).toEqual(['confirmation', 'caught up', '0'])
  })

  test('from the start of a stream that is not there is caught up with its first event', async () => {
    const stream = freshName()
    const seen = subscribe(subscribing().setStream(ofStream(stream)))
    await until(seen, 'confirmation')
    await append(stream, 'a')
    expect(await until(seen, 'caught up')).toEqual(['confirmation', '0', 'caught up'])
  })

  test('of a soft-deleted stream waits for what comes behind the deletion', async () => {
    const stream = freshName()
    await append(stream, 'a', 'b')
    await client.deleteStream(stream)
    const seen = subscribe(subscribing().setStream(ofStream(stream)))
    await until(seen, 'confirmation')
    await append(stream, 'c')
    expect(await until(seen, 'caught up')).toEqual(['confirmation', '2', 'caught up'])
  })

  test('behind a revision that is still to come is silent until then', async () => {
    const stream = freshName()
    await append(stream, 'a')
    const seen = subscribe(subscribing().setStream(ofStream(stream, 2n)))
    await until(seen, 'caught up')
    await append(stream, 'b', 'c', 'd')
    expect(await until(seen, '3')).toEqual(['confirmation', 'caught up', '3'])
  })

  test('that was tombstoned fails unconfirmed from the start, and is silent from the end', async () => {
    const stream = `raw-${freshName().slice(4)}`
    await append(stream, 'a')
    await client.tombstoneStream(stream)
    const fromEnd = subscribe(subscribing().setStream(ofStream(stream, 'end')))
    for (const from of ['start', 0n] as const) {
      const seen = subscribe(subscribing().setStream(ofStream(stream, from)))
      await eventually(() => seen.failure !== undefined, 'it has failed')
      expect(seen).toEqual({
        said: [],
        failure: {
          code: status.FAILED_PRECONDITION,
          details: `Event stream '${stream}' is deleted.`,
          trailers: { exception: 'stream-deleted', 'stream-name': stream },
        },
      })
    }
    expect(await until(fromEnd, 'caught up')).toEqual(['confirmation', 'caught up'])
    expect(fromEnd.failure).toBeUndefined()
  })

  test('that is tombstoned while it is followed gives the tombstone and fails', async () => {
    const stream = freshName()
    const seen = subscribe(subscribing().setStream(ofStream(stream, 'end')))
    await until(seen, 'caught up')
    await client.tombstoneStream(stream)
    await eventually(() => seen.failure !== undefined, 'it has failed')
    expect(seen).toMatchObject({
      said: ['confirmation', 'caught up', TOMBSTONE],
      failure: { trailers: { exception: 'stream-deleted' } },
    })
  })

  test('shows what metadata hides only when it is live', async () => {
    const stream = freshName()
    await append(stream, 'a', 'b', 'c')
    await client.setStreamMetadata(stream, { maxCount: 1 })
    const seen = subscribe(subscribing().setStream(ofStream(stream)))
    await until(seen, 'caught up')
    await client.setStreamMetadata(stream, { truncateBefore: 1_000 })
    await append(stream, 'd', 'e')
    expect(await until(seen, '4')).toEqual(['confirmation', '2', 'caught up', '3', '4'])
  })
})

describe('a subscription to $all', () => {
  const through = (stream: string, max = 32, multiplier = 1): streams.ReadReq.Options.FilterOptions => {
    const expression = new streams.ReadReq.Options.FilterOptions.Expression().setPrefixList([stream])
    const filter = new streams.ReadReq.Options.FilterOptions().setStreamIdentifier(expression)
    return filter.setMax(max).setCheckpointintervalmultiplier(multiplier)
  }

  test('from the end is given only what comes', async () => {
    const stream = freshName()
    await append(stream, 'a')
    const options = subscribing().setAll(ofAll('end')).setFilter(through(stream, 1_000_000))
    const seen = subscribe(options)
    await until(seen, 'caught up')
    await append(stream, 'b')
    expect(await until(seen, '1')).toEqual(['confirmation', 'caught up', '1'])
  })

  test('behind a position inside begins with the event after it', async () => {
    const stream = freshName()
    const { position } = await client.appendToStream(stream, jsonEvent({ type: 'a', data: {} }))
    if (position === undefined) throw new Error('An append has no position')
    await append(stream, 'b', 'c')
    const seen = subscribe(subscribing().setAll(ofAll(position)).setFilter(through(stream, 1_000_000)))
    expect(await until(seen, 'caught up')).toEqual(['confirmation', '1', '2', 'caught up'])
  })

  test('sends a checkpoint behind the event that completes an interval', async () => {
    const stream = freshName()
    const seen = subscribe(subscribing().setAll(ofAll('end')).setFilter(through(stream, 1)))
    await until(seen, 'caught up')
    await append(stream, 'a')
    await eventually(() => seen.said.includes('0') && seen.said.at(-1) === 'checkpoint', 'a checkpoint has come')
    expect(seen.said[seen.said.indexOf('0') + 1]).toBe('checkpoint')
  })

  test('sees system events of streams whose names begin with $, and the types of metadata', async () => {
    const stream = freshName()
    const expression = new streams.ReadReq.Options.FilterOptions.Expression().setPrefixList([`$$${stream}`])
    const filter = through(stream, 1_000_000).setStreamIdentifier(expression)
    const seen = subscribe(subscribing().setAll(ofAll('end')).setFilter(filter))
    await until(seen, 'caught up')
    await client.setStreamMetadata(stream, { maxCount: 1 })
    expect(await until(seen, '0')).toEqual(['confirmation', 'caught up', '0'])
  })
})
