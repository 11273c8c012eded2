import { randomUUID } from 'node:crypto'
import { readdirSync, readlinkSync } from 'node:fs'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { RawEvent } from '../../src/cqrs/event.ts'
import { connectEventStore } from '../../src/eventstoredb/event-store.ts'
import { startProxy } from '../faults/proxy.ts'
import { startNode } from '../support/embedded-node.ts'
import { eventually } from '../support/eventually.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

describe('the connections to the event store', () => {
  it('that hang are given up for new ones, within the deadline of an append', async () => {
    const { proxy, store } = await behindProxy(4_000)
    await store.append(aStream(), [anEvent()], 'new')
    proxy.freezeOpen()
    const stream = aStream()
    expect(await store.append(stream, [anEvent()], 'new')).toMatchObject({ lastNumber: 1 })
  })

  it('are no more after 100 outages than before', { timeout: 60_000 }, async () => {
    const { proxy, store } = await behindProxy(600)
    const askAndAppend = () => [store.append(aStream(), [anEvent()], 'new'), store.lastPosition()]
    const outage = async (index: number) => {
      const calls = askAndAppend()
      const thaw = index % 10 === 0 ? proxy.freezeOpen() : proxy.reset()
      await Promise.allSettled(calls)
      const isBack = () =>
        Promise.all(askAndAppend()).then(
          () => true,
          () => false,
        )
      await eventually(isBack, `answers after outage ${index}`)
      thaw?.()
    }
    for (let index = 1; index <= 10; index++) await outage(index)
    const before = open()
    for (let index = 1; index <= 90; index++) await outage(index)
    // What was given up because it hung is not used when it is back.
    for (let index = 1; index <= 10; index++) await outage(0)
    const isAsBefore = () => open().descriptors <= before.descriptors && open().sockets <= before.sockets
    await eventually(isAsBefore, `at most ${JSON.stringify(before)}, as before`, 30_000)
  })
})

async function behindProxy(deadline: number) {
  const node = await startNode({ dataDir: temporaryFolder(), port: 0 })
  onTestFinished(() => node.close())
  const { hostname, port } = new URL(`http://${node.address}`)
  const proxy = await startProxy({ host: hostname, port: Number(port) })
  onTestFinished(() => proxy.close())
  const store = connectEventStore(`esdb://127.0.0.1:${proxy.port}?tls=false`, { deadline })
  onTestFinished(() => store.close())
  return { proxy, store }
}

/** Of this process: client, proxy and node. */
function open(): { descriptors: number; sockets: number } {
  const targets = readdirSync('/proc/self/fd').map((descriptor) => {
    try {
      return readlinkSync(`/proc/self/fd/${descriptor}`)
    } catch {
      return ''
    }
  })
  return { descriptors: targets.length, sockets: targets.filter((target) => target.startsWith('socket:')).length }
}

const aStream = () => `leaks-${randomUUID()}`

const anEvent = (): RawEvent => ({ id: randomUUID(), type: 'Tested', data: {}, metadata: {} })
