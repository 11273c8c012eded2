import { Presets, SingleBar } from 'cli-progress'
import type { ReplayProgress } from '../read-model/replay.ts'

/** Least time between two lines where there is no terminal, in milliseconds. */
const LINE = 1_000

/** Shows the progress of a replay on stderr: a bar on a terminal, plain lines otherwise. */
export async function withProgress<T>(
  replay: (onProgress: (progress: ReplayProgress) => void) => Promise<T>,
): Promise<T> {
  if (!process.stderr.isTTY) return replay(lines())
  const bar = new SingleBar(
    { format: '{bar} {percentage} % | {events} events | {rate} events/s | {left} left', hideCursor: true },
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

function lines(): (progress: ReplayProgress) => void {
  let last = performance.now()
  return (progress) => {
    if (progress.fraction < 1 && performance.now() - last < LINE) return
    last = performance.now()
    const { events, rate, left } = shown(progress)
    const percentage = Math.floor(progress.fraction * 100)
    process.stderr.write(`${percentage} %, ${events} events, ${rate} events/s, ${left} left\n`)
  }
}

function shown({ events, eventsPerSecond, position, end, fraction }: ReplayProgress) {
  const perPosition = position > 0 ? events / position : 0
  const secondsLeft = eventsPerSecond > 0 ? ((end - position) * perPosition) / eventsPerSecond : Number.NaN
  const left = fraction === 1 ? '0 s' : Number.isNaN(secondsLeft) ? '?' : `${Math.max(0, Math.ceil(secondsLeft))} s`
  return { events: count(events), rate: count(eventsPerSecond), left }
}
