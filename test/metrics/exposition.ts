export interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

export interface Family {
  readonly name: string
  readonly type: string
  readonly help: string
  readonly samples: Sample[]
}

/**
 * Reads the text format of Prometheus (https://prometheus.io/docs/instrumenting/exposition_formats/). Throws where a line is
 * none of it.
 */
export function parse(text: string): Family[] {
  const families: Family[] = []
  let help = ''
  for (const line of text.split('\n')) {
    const [, keyword, name = '', rest = ''] = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line) ?? []
    if (keyword === 'HELP') help = rest
    else if (keyword === 'TYPE') families.push({ name, type: rest, help, samples: [] })
    else if (line !== '') families.at(-1)?.samples.push(sampleOf(line))
  }
  return families
}

function sampleOf(line: string): Sample {
  const [, name, labels = '', value] = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/.exec(line) ?? []
  if (name === undefined) throw new Error(`no sample: ${line}`)
  const pairs = [...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"(?:,|$)/g)]
  return { name, labels: Object.fromEntries(pairs.map(([, key, text]) => [key, text])), value: Number(value) }
}

/** The value of the sample that has these labels, whatever others it has; undefined where there is none. */
export function figureIn(families: readonly Family[], name: string, labels: Record<string, string> = {}) {
  const wanted = Object.entries(labels)
  return families
    .flatMap(({ samples }) => samples)
    .find((sample) => sample.name === name && wanted.every(([key, value]) => sample.labels[key] === value))?.value
}
