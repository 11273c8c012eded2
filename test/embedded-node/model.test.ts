import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { recording } from '../recordings/operations.ts'
import { comparable } from '../recordings/replay.ts'
import { predict } from './model.ts'

describe.each(['scripted', 'random'])('the model foretells what the real server did: %s.json', (name) => {
  const file = new URL(`../recordings/${name}.json`, import.meta.url)
  const { scenarios } = recording.parse(JSON.parse(readFileSync(file, 'utf8')))

  test.each(scenarios)('$name', (scenario) => {
    const outcomes = predict(scenario)
    for (const [index, { op, outcome }] of scenario.steps.entries()) {
      expect({ index, op, outcome: comparable(outcomes[index] ?? null) }).toEqual({
        index,
        op,
        outcome: comparable(outcome),
      })
    }
  })
})
