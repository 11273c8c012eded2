import { expect, onTestFinished, test } from 'vitest'
import { EventWriter } from '../../../src/embedded-node/links.ts'
import { LiveFeed } from '../../../src/embedded-node/live-feed.ts'
import { Log } from '../../../src/embedded-node/log.ts'
import { allSource } from '../../../src/embedded-node/persistent/source.ts'
import { Streams } from '../../../src/embedded-node/stream-state.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

const EVENTS = 60

test('a filter that takes long is applied in turns, and misses nothing', () => {
  const log = new Log(temporaryFolder())
  onTestFinished(() => log.close())
  const content = { type: 't', json: true, metadata: Buffer.alloc(0), data: Buffer.from('{}'), created: 0 }
  log.transaction(() => {
    for (let n = 1; n <= EVENTS; n++) {
      const id = `00000000-0000-0000-0000-${String(n).padStart(12, '0')}`
      log.insert({ stream: n % 20 === 0 ? 'wanted' : 'other', revision: n, id, ...content })
    }
  })
  const accepts = (stream: string): boolean => {
    const until = performance.now() + 2
    while (performance.now() < until);
    return stream === 'wanted'
  }
  const filter = { sql: 'accepts(position, stream)', parameters: [], accepts, test: () => false }
  const streams = new Streams(log)
  const source = allSource({ log, streams, feed: new LiveFeed(log.links), writer: new EventWriter(streams) }, filter)
  const found: number[] = []
  let [next, pages, considered] = [1, 0, 0]
  for (let end = false; !end; pages++) {
    const page = source.read(next, 10)
    found.push(...page.events.map(({ position }) => position))
    expect(page.next).toBeGreaterThan(next)
    ;({ next, end } = page)
    considered += page.considered
  }
  expect(found).toEqual([20, 40, 60])
  expect(considered).toBe(EVENTS)
  expect(pages).toBeGreaterThan(3)
})
