import { describe, expect, it } from 'vitest'
import { runScenario } from './run.ts'
import { scenarios } from './scenarios.ts'

/** For how long each makes faults, in milliseconds. */
const DURATION = 4_000

const chosen = process.env['FAULTS_SEED']
const seed = chosen ? Number(chosen) : Math.floor(Math.random() * 2 ** 31)

describe(`in the short form, made again with FAULTS_SEED=${seed}`, () => {
  it.concurrent.for(scenarios)('$number: $name', { timeout: 180_000 }, async (scenario, { skip }) => {
    const storeUrl = process.env['EVENTSTORE_URL']
    const row = await runScenario(scenario, { seed, duration: DURATION, scale: 'short', storeUrl })
    const notRun = row.notes.find((note) => note.startsWith('not run'))
    if (notRun !== undefined) skip(notRun)
    expect(row.violations, JSON.stringify({ ...row, violations: undefined })).toEqual([])
    expect(row.operations).toBeGreaterThan(0)
  })
})
