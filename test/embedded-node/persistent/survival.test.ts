import {
  BACKWARDS,
  END,
  EventStoreDBClient,
  jsonEvent,
  persistentSubscriptionToStreamSettingsFromDefaults,
  START,
} from '@eventstore/db-client'
import { expect, onTestFinished, test } from 'vitest'
import { eventually } from '../../support/eventually.ts'
import { type NodeProcess, startNodeProcess } from '../../support/node-process.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

// Every client here loses its node, which would reject the appends of all clients in this process: one test at a time.

const BOUNDS = { checkPointAfter: 100_000, checkPointLowerBound: 1, checkPointUpperBound: 4 }
const events = (count: number) => Array.from({ length: count }, (_, n) => jsonEvent({ type: 't', data: { n } }))

async function connected(dataDir: string): Promise<{ node: NodeProcess; client: EventStoreDBClient }> {
  const node = await startNodeProcess(dataDir)
  const client = EventStoreDBClient.connectionString(`esdb://${node.address}?tls=false`)
  onTestFinished(async () => {
    await client.dispose()
    await node.kill()
  })
  return { node, client }
}

async function newestCheckpoint(client: EventStoreDBClient): Promise<number> {
  const stream = '$persistentsubscription-s::g-checkpoint'
  let newest = -1
  try {
    const read = client.readStream(stream, { direction: BACKWARDS, fromRevision: END, maxCount: 1 })
    for await (const { event } of read) newest = Number(event?.data)
  } catch (error) {
    expect(error).toMatchObject({ type: 'stream-not-found' })
  }
  return newest
}

/** Takes events until `count` were delivered, and gives their revisions. Answers all but those in `held`. */
async function take(client: EventStoreDBClient, count: number, held: readonly number[] = []): Promise<number[]> {
  const subscription = client.subscribeToPersistentSubscriptionToStream('s', 'g', { bufferSize: 100 })
  const revisions: number[] = []
  subscription.on('error', () => {})
  subscription.on('data', (event) => {
    const revision = Number(event.event?.revision)
    revisions.push(revision)
    if (!held.includes(revision)) subscription.ack(event).catch(() => {})
  })
  await eventually(() => revisions.length >= count, `${count} events are delivered`)
  return revisions
}

test('a killed node goes on from its checkpoint: what was not finished or not written down comes again', async () => {
  const dataDir = temporaryFolder()
  const first = await connected(dataDir)
  await first.client.appendToStream('s', events(12))
  const settings = persistentSubscriptionToStreamSettingsFromDefaults({ ...BOUNDS, startFrom: START })
  await first.client.createPersistentSubscriptionToStream('s', 'g', settings)
  await take(first.client, 12, [9])
  let checkpoint = -1
  await eventually(async () => {
    const { stats } = await first.client.getPersistentSubscriptionToStreamInfo('s', 'g')
    checkpoint = await newestCheckpoint(first.client)
    return stats.outstandingMessagesCount === 1 && BigInt(checkpoint) === stats.lastCheckpointedEventRevision
  }, 'all but one are answered, and the checkpoint is written')
  expect(checkpoint).toBeGreaterThan(0)
  expect(checkpoint).toBeLessThan(9)
  await first.node.kill()

  const second = await connected(dataDir)
  const again = await take(second.client, 11 - checkpoint)
  expect(again).toEqual(Array.from({ length: 11 - checkpoint }, (_, index) => checkpoint + 1 + index))
}, 60_000)

test('groups, their settings and parked events survive a kill, and deleted groups stay away', async () => {
  const dataDir = temporaryFolder()
  const first = await connected(dataDir)
  await first.client.appendToStream('s', events(5))
  const settings = persistentSubscriptionToStreamSettingsFromDefaults({
    ...BOUNDS,
    startFrom: END,
    consumerStrategyName: 'Pinned',
    messageTimeout: 1234,
    resolveLinkTos: true,
  })
  await first.client.createPersistentSubscriptionToStream('s', 'g', settings)
  await first.client.createPersistentSubscriptionToStream('s', 'gone', settings)
  await first.client.deletePersistentSubscriptionToStream('s', 'gone')
  await first.client.appendToStream('s', events(4))
  const subscription = first.client.subscribeToPersistentSubscriptionToStream('s', 'g')
  subscription.on('error', () => {})
  subscription.on('data', (event) => {
    const answer = event.event?.revision === 6n ? subscription.nack('park', '', event) : subscription.ack(event)
    answer.catch(() => {})
  })
  await eventually(async () => {
    const { stats } = await first.client.getPersistentSubscriptionToStreamInfo('s', 'g')
    return stats.parkedMessageCount === 1n && stats.lastCheckpointedEventRevision === 8n
  }, 'one is parked, three are done')
  await first.client.appendToStream('s', events(1))
  await first.node.kill()

  const { client } = await connected(dataDir)
  const groups = await client.listPersistentSubscriptionsToStream('s')
  expect(groups).toMatchObject([
    { groupName: 'g', settings: { ...settings, maxSubscriberCount: 'unbounded' }, stats: { parkedMessageCount: 1n } },
  ])
  await client.replayParkedMessagesToStream('s', 'g')
  expect((await take(client, 2)).toSorted()).toEqual([6, 9])
}, 60_000)

test('a restart of the subsystem drops the consumers, and the groups stay', async () => {
  const { client } = await connected(temporaryFolder())
  const settings = persistentSubscriptionToStreamSettingsFromDefaults({ ...BOUNDS, startFrom: START })
  await client.createPersistentSubscriptionToStream('s', 'g', settings)
  const subscription = client.subscribeToPersistentSubscriptionToStream('s', 'g')
  const dropped = new Promise((resolve) => subscription.once('error', resolve))
  await new Promise<void>((resolve) => subscription.once('confirmation', () => resolve()))
  await client.restartPersistentSubscriptionSubsystem()
  expect(await dropped).toMatchObject({ type: 'persistent-subscription-dropped', streamName: 's', groupName: 'g' })
  await client.appendToStream('s', events(2))
  expect(await take(client, 2)).toEqual([0, 1])
}, 60_000)
