import { randomUUID } from 'node:crypto'
import streams from '@eventstore/db-client/generated/streams_pb.js'
import { status } from '@grpc/grpc-js'
import { expect, onTestFinished, test } from 'vitest'
import { ClassicAppend, deleteStream } from '../../src/embedded-node/appends.ts'
import { BatchAppend } from '../../src/embedded-node/batch-append.ts'
import { readBatchAppendReq } from '../../src/embedded-node/batch-messages.ts'
import { Budget } from '../../src/embedded-node/budget.ts'
import { Committer, type WriteRequest, type WriteResult } from '../../src/embedded-node/commit.ts'
import { CommitQueue } from '../../src/embedded-node/commit-queue.ts'
import { Any } from '../../src/embedded-node/decide.ts'
import { Log } from '../../src/embedded-node/log.ts'
import { RecentIds } from '../../src/embedded-node/recent-ids.ts'
import { Streams } from '../../src/embedded-node/stream-state.ts'
import { eventually } from '../support/eventually.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { appendEvent, appendOptions, batchOptions, chunk, expecting, identifier, uuid } from './raw-calls.ts'

/** With more than 10,000 bytes that wait for the disk, until the next turn of the event loop. */
function busyCommitter() {
  const log = new Log(temporaryFolder())
  const queue = new CommitQueue<WriteRequest>(undefined, 10_000)
  const committer = new Committer(log, new Streams(log), new RecentIds(log), () => {}, queue)
  onTestFinished(() => {
    committer.stop()
    log.close()
  })
  const first = new Promise<WriteResult>((answer) => committer.writeForClient({ ...large(), answer }))
  return { committer, first }
}

function large(): Omit<WriteRequest, 'answer'> {
  const content = { json: false, metadata: Buffer.alloc(0), data: Buffer.alloc(20_000) }
  return { kind: 'append', stream: 's', expected: Any, events: [{ id: randomUUID(), type: 't', ...content }] }
}

const exhausted = { status: { code: status.RESOURCE_EXHAUSTED } }

test('clients are refused while too much waits for the disk, and served again when it is written', async () => {
  const { committer, first } = busyCommitter()
  const write = () => new Promise<WriteResult>((answer) => committer.writeForClient({ ...large(), answer }))
  expect(await write()).toEqual({ kind: 'busy' })
  expect(await first).toMatchObject({ kind: 'done', revision: 0 })
  expect(await write()).toMatchObject({ kind: 'done', revision: 1 })
})

test('the node itself is never refused', async () => {
  const { committer } = busyCommitter()
  const own = new Promise<WriteResult>((answer) => committer.write({ ...large(), answer }))
  expect(await own).toMatchObject({ kind: 'done', revision: 1 })
})

test('a node that stops says so, busy or not', async () => {
  const { committer, first } = busyCommitter()
  committer.stop()
  const late = new Promise<WriteResult>((answer) => committer.writeForClient({ ...large(), answer }))
  expect([await first, await late]).toMatchObject([
    { kind: 'failed', stopping: true },
    { kind: 'failed', stopping: true },
  ])
})

test('a classic append and a deletion are told with RESOURCE_EXHAUSTED', async () => {
  const { committer } = busyCommitter()
  const call = new ClassicAppend(
    () => {},
    new Budget(10_000),
    () => {},
  )
  call.accept(appendOptions('s', 'any'))
  call.accept(appendEvent())
  const options = expecting(new streams.DeleteReq.Options(), 'any').setStreamIdentifier(identifier('s'))
  const outcomes = [
    call.commit(committer),
    deleteStream(committer, new streams.DeleteReq().setOptions(options), () => {}),
  ]
  await Promise.all(outcomes.map((outcome) => expect(outcome).rejects.toMatchObject(exhausted)))
})

test('a batch append is told in its answer, and the call goes on', async () => {
  const { committer, first } = busyCommitter()
  const answers: streams.BatchAppendResp[] = []
  const respond = (response: Buffer): void => void answers.push(streams.BatchAppendResp.deserializeBinary(response))
  const call = new BatchAppend(committer, new Budget(10_000), () => true, respond)
  const send = (): void => {
    const request = chunk({ correlation: uuid(randomUUID()), options: batchOptions('s') })
    call.accept(readBatchAppendReq(Buffer.from(request.serializeBinary())))
  }
  send()
  expect(answers[0]?.getError()?.getCode()).toBe(status.RESOURCE_EXHAUSTED)
  expect(call.outstanding).toBe(0)
  await first
  send()
  await eventually(() => answers.length === 2, 'the second one is answered')
  expect(answers[1]?.getSuccess()?.getCurrentRevision()).toBe('1')
})
