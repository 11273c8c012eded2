/** Runs a command, or refuses it with {@link Overloaded}. */
export type Admission = <T>(command: () => Promise<T>) => Promise<T>

export interface CommandLimitOptions {
  /** Most commands that run at a time, from 1 on. */
  readonly most: number
  /** Told how many were refused since it was told last: with the first, and then at most once a second. */
  readonly onRefused?: (refused: number) => void
}

/** Least time between two reports of refusals, in milliseconds. */
const REPORT = 1_000

/**
 * Least time between two refusals, in milliseconds. Else clients that send the next command as soon as one is refused
 * take all the time that the running ones need: see docs/overload.md.
 */
const PACE = 1

/** Most commands from the line that begin in one turn of the event loop: what a query may have to wait for. */
const STARTS = 4

/** How long a command may wait for a place, in milliseconds; and for how long at most while no place becomes free. */
const PATIENCE = 2_000
const STUCK = 250

interface Waiting {
  readonly resolve: (hasPlace: boolean) => void
  readonly since: number
}

/**
 * Lets so many commands run at a time. The next ones wait in line for a place, at most two seconds, so that a burst passes;
 * then they are refused. They are refused at once where no place became free for 250 ms, because the store hangs; in
 * both cases not more than one a millisecond.
 */
export function commandLimit({ most, onRefused }: CommandLimitOptions): Admission {
  const line = new Set<Waiting>()
  let running = 0
  let isStarting = false
  let lastRefusal = Number.NEGATIVE_INFINITY
  /** When a place was last taken or became free. */
  let lastMove = Number.NEGATIVE_INFINITY
  let pace: NodeJS.Timeout | undefined
  const report = reporter(onRefused)

  /** False where there is none. */
  function place(): boolean | Promise<boolean> {
    if (running < most && line.size === 0) {
      running++
      lastMove = performance.now()
      return true
    }
    const now = performance.now()
    const isStuck = now - lastMove >= STUCK
    if (isStuck && line.size === 0 && now - lastRefusal >= PACE) {
      lastRefusal = now
      return false
    }
    pace ??= setInterval(refuseFirst, PACE)
    return new Promise((resolve) => line.add({ resolve, since: now }))
  }

  function leave(): void {
    running--
    lastMove = performance.now()
    if (line.size > 0 && !isStarting) startSoon()
  }

  function startSoon(): void {
    isStarting = true
    setImmediate(() => {
      isStarting = false
      for (let started = 0; started < STARTS && running < most && answerFirst(true); started++) running++
      if (line.size > 0 && running < most) startSoon()
    })
  }

  function refuseFirst(): void {
    const [first] = line
    const now = performance.now()
    if (first && now - first.since < PATIENCE && now - lastMove < STUCK) return
    lastRefusal = now
    if (answerFirst(false)) return
    clearInterval(pace)
    pace = undefined
  }

  function answerFirst(hasPlace: boolean): boolean {
    const [first] = line
    if (!first) return false
    line.delete(first)
    first.resolve(hasPlace)
    return true
  }

  return async (command) => {
    const hasPlace = place()
    if (hasPlace !== true && !(await hasPlace)) {
      report()
      throw new Overloaded(most)
    }
    try {
      return await command()
    } finally {
      leave()
    }
  }
}

function reporter(onRefused: CommandLimitOptions['onRefused']): () => void {
  let refused = 0
  let lastReport = Number.NEGATIVE_INFINITY
  return () => {
    refused++
    const now = performance.now()
    if (now - lastReport < REPORT) return
    onRefused?.(refused)
    refused = 0
    lastReport = now
  }
}

/** As many commands are running as may. This one was not begun. */
export class Overloaded extends Error {
  override readonly name = 'Overloaded'
  /** Most commands that run at a time. */
  readonly most: number
  readonly outcome = 'not-appended'

  constructor(most: number) {
    super(`${most} commands are running already, which is as many as may`)
    this.most = most
  }
}
