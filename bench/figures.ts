export interface Comparison {
  readonly ours: number
  readonly theirs: number
}

/** Medians of both, run in turn so that a change of the machine's speed hits them alike. */
export async function compare(
  rounds: number,
  ours: (round: number) => Promise<number>,
  theirs: (round: number) => Promise<number>,
): Promise<Comparison> {
  const results: Comparison[] = []
  for (let round = 0; round < rounds; round++) results.push({ theirs: await theirs(round), ours: await ours(round) })
  return { ours: median(results.map(({ ours }) => ours)), theirs: median(results.map(({ theirs }) => theirs)) }
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}

/** The value that 99 of 100 do not exceed. */
export function p99(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * 0.99))] ?? Number.NaN
}

/** `against` names the other one. */
export function reportComparison(what: string, against: string, { ours, theirs }: Comparison, aim?: number): void {
  const ratio = (ours / theirs).toFixed(2) + (aim === undefined ? '' : ` (aim ${aim})`)
  console.log(`${what}: ${count(ours)} a second; ${against}: ${count(theirs)}; ratio ${ratio}`)
}

export const count = (value: number): string => Math.round(value).toLocaleString('en')
