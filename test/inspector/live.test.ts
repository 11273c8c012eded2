import { randomUUID } from 'node:crypto'
import { jsonEvent } from '@eventstore/db-client'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { RecordedEvent } from '../../src/cqrs/event.ts'
import { LiveFeed, TooManyViewers } from '../../src/inspector/live-feed.ts'
import { eventually } from '../support/eventually.ts'
import { startInspected } from './service.ts'

const event = (number: number, stream = 's'): RecordedEvent => ({
  ...{ id: randomUUID(), stream, number, position: number, type: 't', data: {}, metadata: {} },
  created: new Date(0),
})

/** A log whose events come when the test says so. */
function scriptedLog() {
  const waiting: RecordedEvent[] = []
  let wake = () => {}
  let isBroken = false
  const log = {
    subscriptions: 0,
    add(...events: RecordedEvent[]) {
      waiting.push(...events)
      wake()
    },
    break() {
      isBroken = true
      wake()
    },
    async *followLog(signal: AbortSignal, onLive: () => void): AsyncIterable<RecordedEvent> {
      log.subscriptions++
      isBroken = false
      onLive()
      signal.addEventListener('abort', () => wake())
      while (!signal.aborted) {
        yield* waiting.splice(0)
        if (isBroken) throw new Error('broken')
        await new Promise<void>((resolve) => {
          wake = resolve
          if (waiting.length > 0 || isBroken) resolve()
        })
      }
    },
  }
  return log
}

describe('the live feed', () => {
  const start = () => {
    const log = scriptedLog()
    const stop = new AbortController()
    onTestFinished(() => stop.abort())
    return { log, stop, feed: new LiveFeed(log, stop.signal) }
  }

  it('has one subscription for all viewers, and none without any', async () => {
    const { log, feed } = start()
    const [one, two] = [feed.join(() => true), feed.join(({ stream }) => stream === 'wanted')]
    expect(await one.take(5_000)).toEqual([{ kind: 'state', state: 'live' }])
    const [first, second] = [event(1), event(2, 'wanted')]
    log.add(first, second)
    await eventually(async () => (await two.take(5)) !== undefined, 'the events to come')
    expect(await one.take(5_000)).toEqual([
      { kind: 'event', event: first },
      { kind: 'event', event: second },
    ])
    expect(log.subscriptions).toBe(1)
    one.leave()
    two.leave()
    expect(await one.take(5_000)).toBeUndefined()
    const three = feed.join(() => true)
    expect(await three.take(5_000)).toEqual([{ kind: 'state', state: 'live' }])
    expect(log.subscriptions).toBe(2)
  })

  it('keeps no more than it may for a viewer that is slow, and tells how much it left out', async () => {
    const { log, feed } = start()
    const [slow, fast] = [feed.join(() => true), feed.join(() => true)]
    await fast.take(5_000)
    let seen = 0
    for (let number = 1; number <= 500; number++) log.add(event(number))
    while (seen < 500) seen += (await fast.take(5_000))?.filter(({ kind }) => kind === 'event').length ?? 500
    const news = (await slow.take(5_000)) ?? []
    const kept = news.flatMap((each) => (each.kind === 'event' ? [each.event.number] : []))
    expect(kept).toEqual(Array.from({ length: kept.length }, (_, index) => index + 1))
    expect(kept.length).toBeGreaterThan(100)
    expect(news.at(-1)).toEqual({ kind: 'dropped', count: 500 - kept.length })
    log.add(event(501))
    expect(await slow.take(5_000)).toMatchObject([{ kind: 'event', event: { number: 501 } }])
  })

  it('tells when the store is away, and when it is back', async () => {
    const { log, feed } = start()
    const viewer = feed.join(() => true)
    await viewer.take(5_000)
    log.break()
    expect(await viewer.take(5_000)).toEqual([{ kind: 'state', state: 'away' }])
    expect(await viewer.take(5_000)).toEqual([{ kind: 'state', state: 'live' }])
    expect(log.subscriptions).toBe(2)
  })

  it('takes so many viewers, and ends with the service', async () => {
    const { feed, stop } = start()
    const viewers = Array.from({ length: 20 }, () => feed.join(() => true))
    expect(() => feed.join(() => true)).toThrow(TooManyViewers)
    viewers[0]?.leave()
    const last = feed.join(() => true)
    stop.abort()
    expect(await last.take(5_000)).toBeUndefined()
    expect(await feed.join(() => true).take(5_000)).toBeUndefined()
  })
})

describe('over HTTP', async () => {
  const { url, client, close } = await startInspected()

  async function watch(query = '') {
    const leave = new AbortController()
    onTestFinished(() => leave.abort())
    const headers = { Accept: 'text/event-stream' }
    const response = await fetch(`${url}/inspector/all/live${query}`, { headers, signal: leave.signal })
    let text = ''
    const ended = (async () => {
      const decoder = new TextDecoder()
      for await (const chunk of response.body ?? []) text += decoder.decode(chunk, { stream: true })
    })().catch(() => undefined)
    return { response, ended, leave: () => leave.abort(), text: () => text }
  }

  it('events come as they are appended, without system streams', async () => {
    const viewer = await watch()
    expect(viewer.response.headers.get('Content-Type')).toBe('text/event-stream')
    await eventually(() => viewer.text().includes('event: state\ndata: live\n\n'), 'the view to be live')
    const stream = `live-${randomUUID()}`
    await client.setStreamMetadata(stream, { maxCount: 10 })
    await client.appendToStream(stream, [jsonEvent({ type: '<b>', data: { text: 'a\nb' } })])
    await eventually(() => viewer.text().includes(`"stream":"${stream}"`), 'the event to come')
    expect(viewer.text()).not.toContain('$metadata')
    const [line = ''] = viewer
      .text()
      .split('\n')
      .filter((each) => each.includes(stream))
    expect(JSON.parse(line.slice('data: '.length))).toMatchObject({ stream, number: '1', type: '<b>' })
    viewer.leave()
    await viewer.ended
  })

  it('the place of a viewer who leaves is free, and there are so many', async () => {
    const viewers = [await watch()]
    while (viewers.at(-1)?.response.ok) viewers.push(await watch('?system=1'))
    expect(viewers.length - 1).toBeLessThanOrEqual(20)
    const refused = viewers.at(-1)
    await refused?.ended
    expect(refused?.response.status).toBe(503)
    expect(refused?.text()).toContain('/problems/too-many-viewers')
    for (const viewer of viewers) viewer.leave()
    await Promise.all(viewers.map(({ ended }) => ended))
    await eventually(async () => (await watch()).response.ok, 'a place to be free')
  })

  it('the view ends with the service, at once', async () => {
    const viewer = await watch()
    const start = performance.now()
    await close()
    await viewer.ended
    expect(performance.now() - start).toBeLessThan(4_000)
  })
})
