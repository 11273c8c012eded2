import { Presets, SingleBar } from 'cli-progress'
import type { ReplayProgress } from '../read-model/replay.ts'

/** Least time between two lines where there is no terminal, in milliseconds. */
const LINE = 1_000

/** Shows the progress of a replay, or of work of another unit, on stderr: a bar on a terminal, plain lines otherwise. */
export async function withProgress<T>(
  replay: (onProgress: (progress: ReplayProgress) => void) => Promise<T>,
  unit = 'events',
): Promise<T> {
  if (!process.stderr.isTTY) return replay(lines(unit))
  const bar = new SingleBar(
    { format: `{bar} {percentage} % | {events} ${unit} | {rate} ${unit}/s | {left} left`, hideCursor: true },
    Presets.shades_grey,
  )
  bar.start(1, 0, { events: 0, rate: 0, left: '?' })
  try {
    return await replay((progress) => bar.update(progress.fraction, shown(progress)))
  } finally {
    bar.stop()
  }
}

export const count = (value: number): string => value.toLocaleString('en')

/** What work has to say that knows only how much of it is done, and what fraction that is. */
export function paced(onProgress: (progress: ReplayProgress) => void): (done: number, fraction: number) => void {
  const start = performance.now()
  return (done, fraction) => {
    const eventsPerSecond = Math.round((done * 1_000) / Math.max(performance.now() - start, 1))
    onProgress({ events: done, position: fraction, end: 1, eventsPerSecond, fraction })
  }
}

function lines(unit: string): (progress: ReplayProgress) => void {
  let last = performance.now()
  return (progress) => {
    if (progress.fraction < 1 && performance.now() - last < LINE) return
    last = performance.now()
    const { events, rate, left } = shown(progress)
    const percentage = Math.floor(progress.fraction * 100)
    process.stderr.write(`${percentage} %, ${events} ${unit}, ${rate} ${unit}/s, ${left} left\n`)
  }
}

function shown({ events, eventsPerSecond, position, end, fraction }: ReplayProgress) {
  const perPosition = position > 0 ? events / position : 0
  const secondsLeft = eventsPerSecond > 0 ? ((end - position) * perPosition) / eventsPerSecond : Number.NaN
  const left = fraction === 1 ? '0 s' : Number.isNaN(secondsLeft) ? '?' : `${Math.max(0, Math.ceil(secondsLeft))} s`
  return { events: count(events), rate: count(eventsPerSecond), left }
}
