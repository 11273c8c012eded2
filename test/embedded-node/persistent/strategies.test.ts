import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { LogEvent } from '../../../src/embedded-node/log-event.ts'
import { type Connection, Consumer, Message } from '../../../src/embedded-node/persistent/consumer.ts'
import { strategyOf } from '../../../src/embedded-node/persistent/strategies.ts'
import type { Strategy } from '../../../src/embedded-node/persistent/strategy.ts'

function message(stream: string, metadata = '', event?: Partial<LogEvent>): Message {
  const original: LogEvent = {
    ...{ position: 1, stream, revision: 0, type: 't', id: randomUUID(), json: true, created: 0 },
    ...{ metadata: Buffer.from(metadata), data: Buffer.alloc(0), ...event },
  }
  return new Message({ event: original, link: undefined }, original, 1)
}

function consumerOf(strategy: Strategy, bufferSize = 100) {
  const streams: string[] = []
  const connection: Connection = {
    user: 'system',
    name: 'c',
    isFull: false,
    send: ({ original }) => streams.push(original.stream),
    drop: () => {},
  }
  const consumer = new Consumer(connection, bufferSize, false)
  strategy.add(consumer)
  const answerAll = (): void => {
    for (const each of [...consumer.unanswered]) {
      consumer.release(each)
      strategy.released(each, consumer)
    }
  }
  return { consumer, streams, answerAll }
}

function strategyNamed(name: string): Strategy {
  const strategy = strategyOf(name)
  if (strategy === undefined) throw new Error(`There is no strategy ${name}`)
  return strategy
}

const streams = (count: number): string[] => Array.from({ length: count }, (_, index) => `s-${index}`)

test('there are four', () => {
  expect(strategyOf('Nonsense')).toBeUndefined()
  expect(strategyOf('toString')).toBeUndefined()
})

test('RoundRobin takes consumers in turn and passes over those without room', () => {
  const strategy = strategyNamed('RoundRobin')
  const [a, b] = [consumerOf(strategy, 2), consumerOf(strategy)]
  const results = streams(6).map((stream) => strategy.push(message(stream)))
  expect(results).toEqual(Array(6).fill('sent'))
  expect(a.streams).toEqual(['s-0', 's-2'])
  expect(b.streams).toEqual(['s-1', 's-3', 's-4', 's-5'])
})

test('DispatchToSingle fills one consumer before it goes to the next', () => {
  const strategy = strategyNamed('DispatchToSingle')
  const [a, b] = [consumerOf(strategy, 2), consumerOf(strategy, 2)]
  const results = streams(5).map((stream) => strategy.push(message(stream)))
  expect(results).toEqual(['sent', 'sent', 'sent', 'sent', 'stop'])
  expect(a.streams).toEqual(['s-0', 's-1'])
  expect(b.streams).toEqual(['s-2', 's-3'])
})

describe('Pinned', () => {
  test('keeps a stream with its consumer, and others do not step in when that has no room', () => {
    const strategy = strategyNamed('Pinned')
    const [a, b] = [consumerOf(strategy, 1), consumerOf(strategy, 5)]
    expect(strategy.push(message('x'))).toBe('sent')
    expect(strategy.push(message('x'))).toBe('skipped')
    expect(strategy.push(message('y'))).toBe('sent')
    expect([a.streams, b.streams]).toEqual([['x'], ['y']])
    a.answerAll()
    expect(strategy.push(message('x'))).toBe('sent')
    expect(a.streams).toEqual(['x', 'x'])
  })

  test('gives a new consumer its share, and the streams of one that has gone to the others', () => {
    const strategy = strategyNamed('Pinned')
    const a = consumerOf(strategy)
    for (const stream of streams(40)) strategy.push(message(stream))
    a.answerAll()
    const b = consumerOf(strategy)
    for (const stream of streams(40)) strategy.push(message(stream))
    expect(b.streams.length).toBeGreaterThanOrEqual(18)
    expect(b.streams.length).toBeLessThanOrEqual(22)
    strategy.remove(b.consumer)
    const before = a.streams.length
    for (const stream of streams(40)) strategy.push(message(stream))
    expect(a.streams.length - before).toBe(40)
  })

  test('stops when no consumer is left', () => {
    const strategy = strategyNamed('Pinned')
    const { consumer } = consumerOf(strategy)
    strategy.remove(consumer)
    expect(strategy.push(message('x'))).toBe('stop')
  })

  test('takes the stream that a link points to, resolved or not', () => {
    const strategy = strategyNamed('Pinned')
    const [a] = [consumerOf(strategy), consumerOf(strategy), consumerOf(strategy)]
    const link = message('links', '', { type: '$>', data: Buffer.from('7@x@y') })
    strategy.push(message('x@y'))
    strategy.push(link)
    strategy.push(new Message({ event: message('x@y').event, link: link.original }, link.original, 1))
    expect(a?.streams).toEqual(['x@y', 'links', 'links'])
  })
})

test('PinnedByCorrelation takes the correlation id of the metadata, and the stream where there is none', () => {
  const strategy = strategyNamed('PinnedByCorrelation')
  const [a, b, c] = [consumerOf(strategy), consumerOf(strategy), consumerOf(strategy)]
  strategy.push(message('x', '{"$correlationId":"one"}'))
  strategy.push(message('y', '{"$correlationId":"two"}'))
  strategy.push(message('z', '{"$correlationId":7}'))
  strategy.push(message('y', '{"a":1,"$correlationId":"one"}'))
  strategy.push(message('z', 'no JSON with $correlationId'))
  strategy.push(message('x', '{"$correlationId":"two"}'))
  expect([a, b, c].map((each) => each.streams)).toEqual([
    ['x', 'y'],
    ['y', 'x'],
    ['z', 'z'],
  ])
})
