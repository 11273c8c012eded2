import { once } from 'node:events'
import { connect } from 'node:http2'
import { EventStoreDBClient, jsonEvent, NO_STREAM } from '@eventstore/db-client'
import type { StreamsClient } from '@eventstore/db-client/generated/streams_grpc_pb.js'
import streams from '@eventstore/db-client/generated/streams_pb.js'
import { expect, onTestFinished, test } from 'vitest'
import { eventStoreUrl } from '../support/event-store.ts'
import { eventually } from '../support/eventually.ts'
import { append, appendEvent, appendOptions, freshName, ofStream, rawClient, readOptions } from './raw-calls.ts'

test('200 clients at once each append and read their own', async () => {
  const url = await eventStoreUrl()
  const clients = Array.from({ length: 200 }, () => rawClient(url))
  onTestFinished(() => {
    for (const each of clients) each.close()
  })
  const one = async (raw: StreamsClient): Promise<number> => {
    const stream = freshName()
    await append(raw, appendOptions(stream, 'no stream'), appendEvent(), appendEvent())
    let events = 0
    const request = new streams.ReadReq().setOptions(readOptions().setStream(ofStream(stream)))
    for await (const _ of raw.read(request)) events++
    return events
  }
  expect(await Promise.all(clients.map(one))).toEqual(clients.map(() => 2))
})

test('1,000 subscriptions over one connection each get what they follow', async () => {
  const client = EventStoreDBClient.connectionString(await eventStoreUrl())
  onTestFinished(() => client.dispose())
  const [all, own] = [freshName(), Array.from({ length: 999 }, freshName)]
  const seen = new Map<string, number>()
  const subscriptions = [all, ...own].map((stream) => {
    const subscription = client.subscribeToStream(stream)
    subscription.on('data', () => void seen.set(stream, (seen.get(stream) ?? 0) + 1))
    subscription.on('error', () => {})
    return subscription
  })
  await Promise.all(subscriptions.map((subscription) => once(subscription, 'confirmation')))
  await Promise.all(
    [all, ...own].map((stream) =>
      client.appendToStream(stream, jsonEvent({ type: 't', data: {} }), { expectedRevision: NO_STREAM }),
    ),
  )
  await eventually(() => seen.size === 1_000, 'each has got its event', 20_000)
  expect(new Set(seen.values())).toEqual(new Set([1]))
  await Promise.all(subscriptions.map((subscription) => subscription.unsubscribe()))
})

test('a connection without calls may ping as often as it likes', async () => {
  const session = connect(`http://${new URL(await eventStoreUrl()).host}`)
  onTestFinished(() => session.destroy())
  await once(session, 'connect')
  for (let sent = 0; sent < 50; sent++) {
    await new Promise<void>((resolve, reject) => session.ping((error) => (error === null ? resolve() : reject(error))))
  }
  expect(session.closed || session.destroyed).toBe(false)
})
