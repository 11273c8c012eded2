// Loaded into service processes with NODE_OPTIONS=--import, and by that into the worker thread of the embedded node.
//
// ROLLBOOK_FAILPOINTS=projector.before-commit=kill@3,node.after-fsync=sleep:50@1
//   The process ends by SIGKILL the third time that it reaches the point; the node sleeps once for 50 ms. `@` and the
//   number may be left out: then each time.
// ROLLBOOK_CLOCK=1767225600000:-86400000,1767225605000:0
//   From that instant of the real clock on, Date is off by so many milliseconds: what a clock that is set does to
//   JavaScript, in every thread. Timers, performance.now() and SQLite's own clock are as they were.
import { subscribe } from 'node:diagnostics_channel'

const { ROLLBOOK_FAILPOINTS, ROLLBOOK_CLOCK, NODE_ENV } = process.env

if (NODE_ENV !== 'production') {
  if (ROLLBOOK_FAILPOINTS) setFailpoints(ROLLBOOK_FAILPOINTS)
  if (ROLLBOOK_CLOCK) setClock(ROLLBOOK_CLOCK)
}

function setFailpoints(text) {
  const points = new Map(text.split(',').map(parsePoint))
  subscribe('rollbook:failpoint', (name) => {
    const point = points.get(name)
    if (!point) return
    point.reached++
    if (point.at !== undefined && point.at !== point.reached) return
    if (point.sleep === undefined) process.kill(process.pid, 'SIGKILL')
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, point.sleep)
  })
}

function parsePoint(text) {
  const [, name, sleep, at] = /^([a-z.-]+)=(?:kill|sleep:(\d+))(?:@(\d+))?$/.exec(text) ?? []
  if (name === undefined) throw new Error(`ROLLBOOK_FAILPOINTS: ${text} is not like point=kill@3 or point=sleep:50@3`)
  return [
    name,
    {
      sleep: sleep === undefined ? undefined : Number(sleep),
      at: at === undefined ? undefined : Number(at),
      reached: 0,
    },
  ]
}

function setClock(text) {
  const jumps = text.split(',').map((jump) => jump.split(':').map(Number))
  const RealDate = Date
  const now = () => {
    const real = RealDate.now()
    let offset = 0
    for (const [at, by] of jumps) if (real >= at) offset = by
    return real + offset
  }
  globalThis.Date = new Proxy(RealDate, {
    construct: (target, parameters, newTarget) =>
      Reflect.construct(target, parameters.length === 0 ? [now()] : parameters, newTarget),
    apply: () => new RealDate(now()).toString(),
    get: (target, property, receiver) => (property === 'now' ? now : Reflect.get(target, property, receiver)),
  })
}
