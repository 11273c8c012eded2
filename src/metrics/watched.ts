import { Counter, Gauge, type Registry } from 'prom-client'

type Reading = number | undefined

/** A gauge that is read with each scrape. It has no sample while there is no value: an alert must not take 0 for one. */
export function watchGauge(
  registry: Registry,
  name: string,
  help: string,
  read: () => Reading | Promise<Reading>,
): void {
  new Gauge({
    ...{ name, help, registers: [registry] },
    async collect() {
      const value = await orNothing(read)
      if (value === undefined) this.remove()
      else this.set(value)
    },
  })
}

/** The same of a counter that somebody else keeps. */
export function watchCounter(
  registry: Registry,
  name: string,
  help: string,
  read: () => Reading | Promise<Reading>,
): void {
  new Counter({
    ...{ name, help, registers: [registry] },
    async collect() {
      const value = await orNothing(read)
      this.reset()
      if (value === undefined) this.remove()
      else this.inc(value)
    },
  })
}

/** The same of a gauge with one sample for each of several things. */
export function watchGauges<Label extends string>(
  registry: Registry,
  name: string,
  help: string,
  labelNames: readonly Label[],
  read: () => Iterable<readonly [Readonly<Record<Label, string>>, Reading]>,
): void {
  new Gauge({
    ...{ name, help, labelNames, registers: [registry] },
    collect() {
      this.reset()
      for (const [labels, value] of read()) if (value !== undefined) this.set(labels, value)
    },
  })
}

/** One sample for each state that there is: 1 for the one that it is in, and 0 for the others. */
export function stateSamples(states: readonly string[], current: string): { state: string; value: number }[] {
  return states.map((state) => ({ state, value: state === current ? 1 : 0 }))
}

/**
 * Asks once for all who ask while the answer is under way, and waits for it at most so many milliseconds. Nothing
 * where it fails or is late: one source that hangs must not hold back the figures of the others.
 */
export function shared<T>(milliseconds: number, ask: () => Promise<T>): () => Promise<T | undefined> {
  let underWay: Promise<T | undefined> | undefined
  return () => {
    underWay ??= ask()
      .catch(() => undefined)
      .finally(() => {
        underWay = undefined
      })
    const answer = underWay
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(undefined), milliseconds)
      void answer.then((value) => {
        clearTimeout(timer)
        resolve(value)
      })
    })
  }
}

async function orNothing(read: () => Reading | Promise<Reading>): Promise<Reading> {
  try {
    return await read()
  } catch {
    return undefined
  }
}
