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

export function reportComparison(what: string, unit: string, { ours, theirs }: Comparison, aim: number): void {
  const ratio = (ours / theirs).toFixed(2)
  console.log(`${what}: ${count(ours)} ${unit}; bare: ${count(theirs)}; ratio ${ratio} (aim ${aim})`)
}

export const count = (value: number): string => Math.round(value).toLocaleString('en')
