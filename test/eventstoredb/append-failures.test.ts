import { randomUUID } from 'node:crypto'
import shared from '@eventstore/db-client/generated/shared_pb.js'
import statusMessage from '@eventstore/db-client/generated/status_pb.js'
import streams from '@eventstore/db-client/generated/streams_pb.js'
import { Metadata, status } from '@grpc/grpc-js'
import any from 'google-protobuf/google/protobuf/any_pb.js'
import empty from 'google-protobuf/google/protobuf/empty_pb.js'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { RawEvent } from '../../src/cqrs/event.ts'
import { connectEventStore } from '../../src/eventstoredb/event-store.ts'
import { startNode } from '../support/embedded-node.ts'
import { type FakeNodeOptions, startFakeNode } from '../support/fake-node.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

type OnAppend = NonNullable<FakeNodeOptions['onAppend']>

const unknown = { name: 'StoreUnavailable', outcome: 'unknown' }
const notAppended = { name: 'StoreUnavailable', outcome: 'not-appended' }

describe('an append', () => {
  it.each<[string, OnAppend, object]>([
    [
      'its version is another one',
      answer('WrongExpectedVersion', wrongVersion()),
      { name: 'PreconditionFailed', actual: 3 },
    ],
    ['its stream is deleted', answer('StreamDeleted'), { name: 'StreamDeleted' }],
    ['its user may not', answer('AccessDenied'), { name: 'AppendRefused' }],
    ['it is too large', answer('MaximumAppendSizeExceeded', tooLarge()), { name: 'AppendRefused' }],
    ['the store is busy', answer('Empty', undefined, 'Server Is Busy'), notAppended],
    ['the store is not ready', answer('Empty', undefined, 'Server Is Not Ready'), notAppended],
    ['there is no leader', answer('Empty', undefined, 'No leader info available in response'), notAppended],
    ['the store took too long', answer('Timeout'), unknown],
    ['the store does not know why', answer('Unknown'), unknown],
    ['the store says what nobody knows', answer('Empty', undefined, 'Out of paper'), unknown],
    ['the node is not the leader', end(status.NOT_FOUND, notLeader('127.0.0.1', 1)), unknown],
    ['the call is cancelled', end(status.CANCELLED), unknown],
    ['the call fails without a reason', end(status.UNKNOWN), unknown],
    ['the call is late', end(status.DEADLINE_EXCEEDED), unknown],
    ['the call is aborted', end(status.ABORTED), unknown],
    ['the call fails inside', end(status.INTERNAL), unknown],
    ['the node becomes unavailable', end(status.UNAVAILABLE), unknown],
    ['the user is not known', end(status.UNAUTHENTICATED), { name: 'AppendRefused' }],
    ['there is no answer', () => undefined, unknown],
  ])('that fails because %s is told so', async (_, onAppend, failure) => {
    const node = await startFakeNode({ onAppend })
    const store = connectTo(node.address)
    await expect(store.append(aStream(), [anEvent()], 'exists')).rejects.toMatchObject(failure)
  })

  it.each<[string, OnAppend]>([
    ['the store took too long for one of them', answer('Timeout')],
    ['one of them has no answer', () => undefined],
  ])('stays on its connection where others are answered, though %s', async (_, onFailing) => {
    const failing = aStream()
    const calls = new Set<unknown>()
    const node = await startFakeNode({
      onAppend(request, call) {
        calls.add(call)
        if (streamOf(request) === failing) onFailing(request, call)
        else confirm(request, call)
      },
    })
    const store = connectTo(node.address)
    let isOver = false
    const failed = store.append(failing, [anEvent()], 'new').catch((error: unknown) => {
      isOver = true
      return error
    })
    while (!isOver) expect(await store.append(aStream(), [anEvent()], 'new')).toMatchObject({ lastNumber: 1 })
    expect(await failed).toMatchObject(unknown)
    expect(calls.size).toBe(1)
  })

  it('to a node that is not there was not made', async () => {
    const node = await startFakeNode({})
    node.kill()
    await expect(connectTo(node.address).append(aStream(), [anEvent()], 'new')).rejects.toMatchObject(notAppended)
  })

  it('to a node that dies on it is in doubt, though it is not there when the append is repeated', async () => {
    const node = await startFakeNode({ onAppend: () => node.kill() })
    await expect(connectTo(node.address).append(aStream(), [anEvent()], 'new')).rejects.toMatchObject(unknown)
  })

  it('to a cluster that knows no leader was not made', async () => {
    const seeds = [await startFakeNode({}), await startFakeNode({})].map(({ address }) => address)
    const store = connectTo(`${seeds}`, '&maxDiscoverAttempts=2&discoveryInterval=10')
    await expect(store.append(aStream(), [anEvent()], 'new')).rejects.toMatchObject(notAppended)
  })
})

describe('a cluster', () => {
  it('is written to and read from at its leader, wherever an append comes first', async () => {
    const leader = await aNode()
    const [host = '', port] = leader.address.split(':')
    let asked = 0
    const follower = await startFakeNode({
      onAppend(request, call) {
        asked++
        end(status.NOT_FOUND, notLeader(host, Number(port)))(request, call)
      },
    })
    const store = connectTo(follower.address, '', 5_000)
    const streamNames = Array.from({ length: 20 }, aStream)
    const appends = streamNames.map((stream) => store.append(stream, [anEvent()], 'new'))
    for (const append of appends) expect(await append).toMatchObject({ lastNumber: 1 })
    expect(asked).toBeGreaterThan(0)
    const direct = connectTo(leader.address, '', 5_000)
    for (const stream of streamNames) expect(await numbersOf(direct, stream)).toEqual([1])
  })

  it('is followed to its next leader when the one before it is killed under load', async () => {
    const nodes = [await aNode(), await aNode()]
    let leader = nodes[0]?.address
    const seeds = [await startFakeNode({ leader: () => leader }), await startFakeNode({ leader: () => leader })]
    const store = connectTo(`${seeds.map(({ address }) => address)}`, '', 8_000)
    const made: string[] = []
    let isLoaded = true
    const client = async () => {
      while (isLoaded) {
        const stream = aStream()
        expect(await store.append(stream, [anEvent()], 'new')).toMatchObject({ lastNumber: 1 })
        made.push(stream)
      }
    }
    const clients = Array.from({ length: 8 }, client)
    await expect.poll(() => made.length, { timeout: 10_000 }).toBeGreaterThan(100)
    leader = nodes[1]?.address
    await nodes[0]?.close()
    const before = made.length
    await expect.poll(() => made.length, { timeout: 10_000 }).toBeGreaterThan(before + 100)
    isLoaded = false
    await Promise.all(clients)
    const last = made.at(-1) ?? ''
    expect(await numbersOf(connectTo(leader ?? '', '', 5_000), last)).toEqual([1])
  })
})

async function aNode() {
  const node = await startNode({ dataDir: temporaryFolder(), port: 0 })
  onTestFinished(() => node.close())
  return node
}

function connectTo(hosts: string, options = '', deadline = 400) {
  const store = connectEventStore(`esdb://${hosts}?tls=false${options}`, { deadline })
  onTestFinished(() => store.close())
  return store
}

/** Answers one append with an error, and lets the stream go on. */
function answer(type: string, details = new Uint8Array(), message = type): OnAppend {
  return (request, call) => {
    const packed = new any.Any()
    packed.pack(details, `event_store.client.${type}`)
    const error = new statusMessage.Status().setMessage(message).setDetails(packed)
    const response = new streams.BatchAppendResp().setError(error)
    response.setCorrelationId(request.getCorrelationId())
    response.setStreamIdentifier(request.getOptions()?.getStreamIdentifier())
    call.write(response)
  }
}

const confirm: OnAppend = (request, call) => {
  const success = new streams.BatchAppendResp.Success().setCurrentRevision('0').setNoPosition(new empty.Empty())
  call.write(new streams.BatchAppendResp().setCorrelationId(request.getCorrelationId()).setSuccess(success))
}

const streamOf = (request: streams.BatchAppendReq) =>
  Buffer.from(request.getOptions()?.getStreamIdentifier()?.getStreamName_asU8() ?? []).toString()

/** Ends the stream that all appends share. */
function end(code: status, metadata = new Metadata()): OnAppend {
  return (_, call) => void call.emit('error', { code, details: 'the script says so', metadata })
}

/** What EventStoreDB sends with it. */
function notLeader(host: string, port: number): Metadata {
  const metadata = new Metadata()
  metadata.set('exception', 'not-leader')
  metadata.set('leader-endpoint-host', host)
  metadata.set('leader-endpoint-port', String(port))
  return metadata
}

function wrongVersion() {
  return Uint8Array.from(new shared.WrongExpectedVersion().setCurrentStreamRevision('2').serializeBinary())
}

function tooLarge() {
  return Uint8Array.from(new shared.MaximumAppendSizeExceeded().setMaxappendsize(1_000).serializeBinary())
}

const aStream = () => `failures-${randomUUID()}`

const anEvent = (): RawEvent => ({ id: randomUUID(), type: 'Tested', data: {}, metadata: {} })

async function numbersOf(store: ReturnType<typeof connectTo>, stream: string): Promise<number[]> {
  const numbers = []
  for await (const { number } of store.read(stream)) numbers.push(number)
  return numbers
}
