import type { EventStoreDBClient } from '@eventstore/db-client'
import { z } from 'zod'
import { type Json, recording } from './operations.ts'
import { replay } from './replay.ts'

/** A recording as its file has it: operations without the defaults that the replayer fills in. */
const file = z.object({
  server: z.string(),
  client: z.string(),
  scenarios: z.array(z.object({ name: z.string(), steps: z.array(z.object({ op: z.json(), outcome: z.json() })) })),
})
type RecordingFile = z.infer<typeof file>

/** @throws ZodError when the text is no recording */
export const readRecording = (text: string): RecordingFile => file.parse(JSON.parse(text))

/** The text of a recording: a line for each operation and one for its outcome. */
export function writeRecording({ server, client, scenarios }: RecordingFile): string {
  const step = ({ op, outcome }: { op: Json; outcome: Json }): string =>
    `    {"op": ${JSON.stringify(op)},\n     "outcome": ${JSON.stringify(outcome)}}`
  const written = scenarios.map(
    ({ name, steps }) => `  {"name": ${JSON.stringify(name)}, "steps": [\n${steps.map(step).join(',\n')}\n  ]}`,
  )
  const head = `{"server": ${JSON.stringify(server)}, "client": ${JSON.stringify(client)}, "scenarios": [\n`
  return `${head}${written.join(',\n')}\n]}\n`
}

/** What the operations of a recording come to at the event store behind `client`. Its own outcomes play no part. */
export async function recordAnew(client: EventStoreDBClient, recorded: RecordingFile): Promise<RecordingFile> {
  const { scenarios } = recording.parse(recorded)
  const outcomes = await Promise.all(scenarios.map((scenario) => replay(client, scenario, { anew: true })))
  return {
    ...recorded,
    scenarios: recorded.scenarios.map(({ name, steps }, at) => ({
      name,
      steps: steps.map(({ op }, step) => ({ op, outcome: outcomes[at]?.[step] ?? null })),
    })),
  }
}
