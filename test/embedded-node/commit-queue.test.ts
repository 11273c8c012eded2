import { expect, test } from 'vitest'
import { CommitQueue } from '../../src/embedded-node/commit-queue.ts'

const event = (bytes: number) => ({ type: '', metadata: Buffer.alloc(0), data: Buffer.alloc(bytes) })
const request = (stream: string, events: number, bytes = 0) => ({
  stream,
  events: Array.from({ length: events }, () => event(bytes)),
})
const names = (requests: readonly { stream: string }[]) => requests.map(({ stream }) => stream).join('')

const COMMIT = { events: 10, bytes: 100_000 }

test('a commit takes what has arrived, in order', () => {
  const queue = new CommitQueue(COMMIT)
  for (const stream of 'abc') queue.push(request(stream, 2))
  expect(names(queue.takeBatch())).toBe('abc')
  expect(queue.isEmpty).toBe(true)
  expect(queue.takeBatch()).toEqual([])
})

test('a commit takes no more events than it may', () => {
  const queue = new CommitQueue(COMMIT)
  for (const stream of 'abcde') queue.push(request(stream, 4))
  expect([names(queue.takeBatch()), names(queue.takeBatch()), names(queue.takeBatch())]).toEqual(['ab', 'cd', 'e'])
})

test('a commit takes no more bytes than it may', () => {
  const queue = new CommitQueue(COMMIT)
  for (const stream of 'abcde') queue.push(request(stream, 1, 40_000))
  expect([names(queue.takeBatch()), names(queue.takeBatch()), names(queue.takeBatch())]).toEqual(['ab', 'cd', 'e'])
})

test('a request without events counts as one event', () => {
  const queue = new CommitQueue(COMMIT)
  for (let left = 25; left > 0; left--) queue.push(request('d', 0))
  expect([queue.takeBatch().length, queue.takeBatch().length, queue.takeBatch().length]).toEqual([10, 10, 5])
})

test('a request that is larger than a commit has one of its own', () => {
  const queue = new CommitQueue(COMMIT)
  queue.push(request('a', 11))
  queue.push(request('b', 1, 200_000))
  queue.push(request('c', 1))
  expect([names(queue.takeBatch()), names(queue.takeBatch()), names(queue.takeBatch())]).toEqual(['a', 'b', 'c'])
})

test('requests that wait may hold so many bytes', () => {
  const queue = new CommitQueue(COMMIT, 100_000)
  queue.push(request('a', 1, 60_000))
  expect(queue.isFull).toBe(false)
  queue.push(request('b', 1, 60_000))
  expect(queue.isFull).toBe(true)
  queue.takeAll()
  expect(queue.isFull).toBe(false)
})

test('requests without events hold something too', () => {
  const queue = new CommitQueue(COMMIT, 100_000)
  for (let left = 200; left > 0; left--) queue.push(request('d', 0))
  expect(queue.isFull).toBe(true)
})
