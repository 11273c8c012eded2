import { randomUUID } from 'node:crypto'
import streams from '@eventstore/db-client/generated/streams_pb.js'
import { status } from '@grpc/grpc-js'
import { expect, onTestFinished, test, vi } from 'vitest'
import { ClassicAppend } from '../../src/embedded-node/appends.ts'
import { BatchAppend } from '../../src/embedded-node/batch-append.ts'
import { readBatchAppendReq } from '../../src/embedded-node/batch-messages.ts'
import { Budget } from '../../src/embedded-node/budget.ts'
import type { WriteRequest } from '../../src/embedded-node/commit.ts'
import type { Failure } from '../../src/embedded-node/status.ts'
import { startNode } from '../support/embedded-node.ts'
import { eventually } from '../support/eventually.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { append, appendEvent, appendOptions, batchOptions, type Chunk, chunk, rawClient, uuid } from './raw-calls.ts'

const KB = 1_000
const kilobyte = { data: Buffer.alloc(KB) }
const exhausted = expect.objectContaining({ status: expect.objectContaining({ code: status.RESOURCE_EXHAUSTED }) })

function classic(budget: Budget): ClassicAppend {
  const call = new ClassicAppend(
    () => {},
    budget,
    () => {},
  )
  call.accept(appendOptions('s', 'any'))
  return call
}

function batch(budget: Budget) {
  const answers: streams.BatchAppendResp[] = []
  const written: WriteRequest[] = []
  const committer = { writeForClient: (request: WriteRequest) => void written.push(request) }
  const respond = (response: Buffer): void => void answers.push(streams.BatchAppendResp.deserializeBinary(response))
  const call = new BatchAppend(committer, budget, () => true, respond)
  onTestFinished(() => call.close())
  const send = (content: Chunk): void =>
    call.accept(
      readBatchAppendReq(Buffer.from(chunk({ correlation: uuid(randomUUID()), ...content }).serializeBinary())),
    )
  return { send, answers, written, call }
}

test('what classic appends keep counts, of all calls together, until they are over', () => {
  const budget = new Budget(4 * KB)
  const [first, second] = [classic(budget), classic(budget)]
  first.accept(appendEvent(kilobyte))
  first.accept(appendEvent(kilobyte))
  second.accept(appendEvent(kilobyte))
  expect(() => second.accept(appendEvent(kilobyte))).toThrow(exhausted)
  second.close()
  first.accept(appendEvent(kilobyte))
  first.close()
  first.close()
  expect(budget.held).toBe(0)
})

test('events without bytes count too', () => {
  const budget = new Budget(10 * KB)
  const call = classic(budget)
  const fill = (): void => {
    for (let left = 100; left > 0; left--) call.accept(appendEvent({ data: Buffer.alloc(0) }))
  }
  expect(fill).toThrow(exhausted)
})

test('a classic append that is not complete within a minute is given up', () => {
  vi.useFakeTimers()
  onTestFinished(() => void vi.useRealTimers())
  const budget = new Budget(4 * KB)
  const failures: Failure[] = []
  const begin = (): ClassicAppend => {
    const call = new ClassicAppend(
      () => {},
      budget,
      (failure) => failures.push(failure),
    )
    call.accept(appendOptions('s', 'any'))
    return call
  }
  begin()
  begin().close()
  vi.advanceTimersByTime(59_999)
  expect(failures).toEqual([])
  vi.advanceTimersByTime(1)
  expect(failures.map((failure) => failure.status.code)).toEqual([status.ABORTED])
})

test('classic and batch appends share what there is', () => {
  const budget = new Budget(4 * KB)
  const call = classic(budget)
  for (let left = 3; left > 0; left--) call.accept(appendEvent(kilobyte))
  const { send, answers, call: other } = batch(budget)
  send({ options: batchOptions('s'), events: [kilobyte], final: false })
  expect(answers.map((answer) => answer.getError()?.getCode())).toEqual([status.RESOURCE_EXHAUSTED])
  call.close()
  send({ options: batchOptions('s'), events: [kilobyte], final: false })
  expect(answers).toHaveLength(1)
  other.close()
  expect(budget.held).toBe(0)
})

test('a batch append gives back what it held when it is complete', () => {
  const budget = new Budget(10 * KB)
  const { send, written } = batch(budget)
  const correlation = uuid(randomUUID())
  send({ correlation, options: batchOptions('s'), events: [kilobyte], final: false })
  expect(budget.held).toBeGreaterThan(KB)
  send({ correlation, events: [kilobyte] })
  expect(budget.held).toBe(0)
  expect(written.map(({ events }) => events.length)).toEqual([2])
})

test('a batch call may have a thousand incomplete appends', () => {
  const { send, answers } = batch(new Budget(Number.MAX_SAFE_INTEGER))
  for (let left = 1_001; left > 0; left--) send({ options: batchOptions('s'), events: [], final: false })
  expect(answers.map((answer) => answer.getError()?.getCode())).toEqual([status.RESOURCE_EXHAUSTED])
})

test('a batch call may have 32 MiB of incomplete appends', () => {
  const { send, answers } = batch(new Budget(Number.MAX_SAFE_INTEGER))
  const events = [{ data: Buffer.alloc(1_000_000) }]
  for (let left = 34; left > 0; left--) send({ options: batchOptions('s'), events, final: false })
  expect(answers.map((answer) => answer.getError()?.getCode())).toEqual([status.RESOURCE_EXHAUSTED])
})

test('a node refuses more than 256 MiB of appends that nobody completes, and has room again when they are cancelled', async () => {
  const node = await startNode({ dataDir: temporaryFolder(), port: 0 })
  onTestFinished(() => node.close())
  const raw = rawClient(`esdb://${node.address}?tls=false`)
  onTestFinished(() => raw.close())
  const refusals: (number | undefined)[] = []
  const event = appendEvent({ data: Buffer.alloc(1_000_000) })
  const calls = Array.from({ length: 280 }, () => {
    const call = raw.append((error) => {
      if (error?.code !== status.CANCELLED) refusals.push(error?.code)
    })
    call.write(appendOptions('s', 'any'))
    call.write(event)
    return call
  })
  await eventually(() => refusals.length >= 12, 'those that are too many are refused', 20_000)
  expect(new Set(refusals)).toEqual(new Set([status.RESOURCE_EXHAUSTED]))
  for (const call of calls) call.cancel()
  await eventually(
    async () => (await append(raw, appendOptions('s', 'any'), event)) instanceof streams.AppendResp,
    'there is room again',
    20_000,
  )
})
