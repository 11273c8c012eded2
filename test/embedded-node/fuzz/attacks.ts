import type { ClientHttp2Session } from 'node:http2'
import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Connections, call, framed, http2Frame, PREFACE } from './connection.ts'
import { batchAppend, mutated, PATHS, readRequest, streamName, tinyEvents, VALID } from './messages.ts'
import type { Random } from './random.ts'

/** What a hostile or broken client does. It opens connections, and does not close them. */
export type Attack = (connections: Connections, random: Random) => Promise<void>

const PAUSE_MS = 300

/** Calls of every method with damaged messages, or whole ones in damaged frames. */
const damagedMessages: Attack = async (connections, random) => {
  const session = connections.http2()
  for (let left = 150; left > 0; left--) {
    const { path, messages } = random.pick(VALID)
    const stream = call(session, path, random.pick(HEADERS))
    for (const message of messages(random)) {
      const bytes = random.below(4) === 0 ? Buffer.from(message) : mutated(message, random)
      if (!stream.destroyed) stream.write(random.pick(FRAMINGS)(bytes, random))
    }
    stream.resume()
    if (random.below(3) === 0) stream.close(random.below(14))
    else if (random.below(4) > 0) stream.end()
  }
  await sleep(PAUSE_MS)
}

const FRAMINGS: readonly [Framing, ...Framing[]] = [
  (bytes) => framed(bytes),
  (bytes) => framed(bytes),
  (bytes) => framed(bytes, bytes.length + 1),
  (bytes, random) => framed(bytes, random.below(2 ** 32)),
  (bytes, random) => framed(bytes, bytes.length, random.pick([1, 2, 255])),
  (bytes) => framed(bytes).subarray(0, 3),
  (bytes) => Buffer.concat([framed(bytes), framed(bytes)]),
  () => Buffer.alloc(20_000),
]
type Framing = (bytes: Buffer, random: Random) => Buffer

const HEADERS: readonly [Record<string, string>, ...Record<string, string>[]] = [
  {},
  {},
  { 'grpc-encoding': 'gzip' },
  { 'grpc-encoding': 'nonsense' },
  { 'grpc-timeout': '1n' },
  { 'grpc-timeout': '99999999H' },
  { 'grpc-timeout': 'soon' },
  { 'content-type': 'text/html' },
  { 'content-type': 'application/grpc+json' },
  { ':path': '/nowhere' },
  { ':path': '//event_store.client.streams.Streams/Read/%00' },
  { ':method': 'GET' },
  { authorization: 'Basic ////', 'requires-leader': 'perhaps' },
  { 'x-bin': '*** no base64 ***' },
]

const resets: Attack = async (connections, random) => {
  const session = connections.http2()
  const request = framed(readRequest(random, true))
  for (let left = 1_000; left > 0 && !session.destroyed; left--) {
    const stream = call(session, PATHS.read)
    stream.end(request)
    stream.close(8)
    if (left % 100 === 0) await sleep(1)
  }
}

/** Subscriptions that are opened, on connections that are broken or left alone. */
const abandonedSubscriptions: Attack = async (connections, random) => {
  for (let left = 20; left > 0; left--) {
    const session = connections.http2()
    for (let calls = 25; calls > 0; calls--) {
      const stream = call(session, PATHS.read)
      stream.end(framed(readRequest(random, true)))
      if (random.below(2) === 0) stream.resume()
    }
    await sleep(5)
    if (random.below(2) === 0) session.destroy()
  }
  await sleep(PAUSE_MS)
}

/** Reads of everything by clients that never take it. */
const zeroWindows: Attack = async (connections, random) => {
  const session = connections.http2({ initialWindowSize: 0 })
  for (let left = 100; left > 0; left--) call(session, PATHS.read).end(framed(readRequest(random)))
  await sleep(PAUSE_MS)
}

const hugeHeaders: Attack = async (connections, random) => {
  const session = connections.http2()
  for (let left = 20; left > 0 && !session.destroyed; left--) {
    const many = Object.fromEntries(Array.from({ length: random.below(500) }, (_, index) => [`x-${index}`, 'y']))
    call(session, PATHS.gossip, random.below(2) === 0 ? many : { 'x-long': 'z'.repeat(random.below(200_000)) }).end()
  }
  // Some are gone before they are refused.
  await sleep(random.pick([0, 20, PAUSE_MS]))
}

/** HTTP/2 as it is not: floods of frames, and bytes of anything. */
const rawFrames: Attack = async (connections, random) => {
  const unended = http2Frame(1, 0, 1, Buffer.from([0x83, 0x86]))
  const floods: readonly [Buffer, ...Buffer[]] = [
    repeated(http2Frame(4, 0, 0, Buffer.from([0, 4, 0, 0, 0xff, 0xff])), 2_000),
    repeated(http2Frame(6, 0, 0, Buffer.alloc(8)), 2_000),
    repeated(http2Frame(2, 0, 1, Buffer.alloc(5)), 2_000),
    repeated(http2Frame(0, 0, 1, Buffer.alloc(0)), 2_000),
    repeated(http2Frame(8, 0, 0, Buffer.from([0x7f, 0xff, 0xff, 0xff])), 5),
    Buffer.concat([unended, repeated(http2Frame(9, 0, 1, Buffer.from([0x40, 1, 0x61, 1, 0x62])), 5_000)]),
    http2Frame(1, 5, 1, Buffer.from([0x80])),
    http2Frame(1, 5, 2, Buffer.from([0x82, 0x86, 0x84])),
    http2Frame(7, 0, 0, Buffer.alloc(8)),
    http2Frame(5, 4, 1, Buffer.alloc(8)),
    http2Frame(random.below(256), random.below(256), random.below(100), random.bytes(random.below(1_000))),
    random.bytes(500),
  ]
  for (let left = 8; left > 0; left--) {
    const socket = connections.socket()
    socket.write(PREFACE)
    socket.write(random.pick(floods))
    if (random.below(2) === 0) socket.resume()
  }
  await sleep(PAUSE_MS)
}

const repeated = (frame: Buffer, times: number): Buffer => Buffer.concat(Array.from({ length: times }, () => frame))

const otherProtocols: Attack = async (connections, random) => {
  const hello = Buffer.concat([Buffer.from('16030100c8010000c40303', 'hex'), random.bytes(194)])
  const greetings: readonly [Buffer | string, ...(Buffer | string)[]] = [
    'GET / HTTP/1.1\r\nHost: x\r\n\r\n',
    'POST /streams/a HTTP/1.0\r\n\r\n{}',
    hello,
    '',
    '\r\n\r\n',
  ]
  const sockets: Socket[] = []
  for (let left = 30; left > 0; left--) {
    const socket = connections.socket()
    socket.write(random.pick(greetings))
    sockets.push(socket)
  }
  await sleep(PAUSE_MS)
  // Half of them say goodbye, in one direction only or as a reset.
  for (const socket of sockets) random.pick([() => socket.end(), () => socket.resetAndDestroy(), () => {}])()
}

/** Appends that are begun and never completed, with much in them. */
const endlessAppends: Attack = async (connections) => {
  const chunk = framed(batchAppend({ final: false, events: 3, size: 300_000 }))
  const session = connections.http2()
  const stream = call(session, PATHS.batchAppend).resume()
  for (let left = 100; left > 0; left--) {
    stream.write(framed(batchAppend({ final: false, events: 1, size: 900_000 })))
    if (left % 10 === 0) await sleep(10)
  }
  stream.write(chunk.subarray(0, chunk.length - 1))
  await sleep(PAUSE_MS)
}

/** Messages that are announced to be long, arrive for the most part, and end nowhere. */
const unfinishedMessages: Attack = async (connections) => {
  const session = connections.http2()
  const part = framed(Buffer.alloc(4_000_000), 16_000_000)
  for (let left = 20; left > 0; left--) call(session, PATHS.append).resume().write(part)
  await waitForDrain(session)
}

async function waitForDrain(session: ClientHttp2Session): Promise<void> {
  for (let left = 20; left > 0 && !session.destroyed; left--) await sleep(PAUSE_MS / 10)
}

const manyEvents: Attack = async (connections, random) => {
  const stream = call(connections.http2(), PATHS.batchAppend).resume()
  stream.write(framed(tinyEvents(random.pick([1_000, 20_000, 60_000]))))
  for (let left = 200; left > 0; left--) stream.write(framed(tinyEvents(1)))
  // A message of a million empty events.
  stream.write(framed(Buffer.alloc(2_000_000, Buffer.from([0x1a, 0]))))
  await sleep(PAUSE_MS)
}

const longNames: Attack = async (connections, random) => {
  const session = connections.http2()
  const stream = call(session, PATHS.batchAppend).resume()
  for (let left = 50; left > 0; left--)
    stream.write(framed(batchAppend({ type: 'ab'.repeat(random.below(3_000) + 1) })))
  for (let left = 20; left > 0; left--)
    call(session, PATHS.read)
      .resume()
      .end(framed(readRequest(random)))
  await sleep(PAUSE_MS)
}

/** One byte at a time. */
const slowWriter: Attack = async (connections) => {
  const session = connections.http2()
  const stream = call(session, PATHS.batchAppend, { 'connection-name': streamName() }).resume()
  for (const byte of framed(batchAppend({ final: false })).subarray(0, 60)) {
    stream.write(Buffer.from([byte]))
    await sleep(10)
  }
}

export const ATTACKS: Readonly<Record<string, Attack>> = {
  damagedMessages,
  resets,
  abandonedSubscriptions,
  zeroWindows,
  hugeHeaders,
  rawFrames,
  otherProtocols,
  endlessAppends,
  unfinishedMessages,
  manyEvents,
  longNames,
  slowWriter,
}
