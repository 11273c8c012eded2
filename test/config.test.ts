import { resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { ConfigError, readConfig } from '../src/config.ts'

describe('the configuration', () => {
  it('has a default for everything', () => {
    expect(readConfig({})).toEqual({
      eventStoreUrl: undefined,
      host: '127.0.0.1',
      port: 1323,
      dataDir: resolve('data'),
      embeddedNodePort: 2113,
      nodeSecurity: undefined,
      maxCommands: 64,
      webhook: undefined,
      traceExporters: [],
      inspector: undefined,
      development: true,
      underNpm: false,
      logLevel: 'info',
    })
  })

  it('is read from the environment', () => {
    const environment = {
      EVENTSTORE_URL: 'esdb+discover://admin:changeit@one:2113,two:2113?tls=true',
      HOST: '::1',
      PORT: '0',
      DATA_DIR: '/var/lib/rollbook',
      EMBEDDED_NODE_PORT: '65535',
      EMBEDDED_NODE_HOST: '0.0.0.0',
      EMBEDDED_NODE_TLS_CERTIFICATE: 'node.crt',
      EMBEDDED_NODE_TLS_KEY: 'node.key',
      EMBEDDED_NODE_USERS: 'users',
      MAX_COMMANDS: '10000',
      WEBHOOK_URL: 'https://example.com/hooks?a=b',
      WEBHOOK_SECRET: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
      WEBHOOK_GROUP: 'mail.v1',
      OTEL_EXPORTER_OTLP_ENDPOINT: 'https://collector:4318',
      INSPECTOR: 'on',
      NODE_ENV: 'production',
      npm_lifecycle_event: 'start',
      LOG_LEVEL: 'debug',
    }
    expect(readConfig(environment)).toEqual({
      eventStoreUrl: environment.EVENTSTORE_URL,
      host: '::1',
      port: 0,
      dataDir: '/var/lib/rollbook',
      embeddedNodePort: 65_535,
      nodeSecurity: { host: '0.0.0.0', tls: { certificate: 'node.crt', key: 'node.key' }, users: 'users' },
      maxCommands: 10_000,
      webhook: { url: environment.WEBHOOK_URL, secret: environment.WEBHOOK_SECRET, group: 'mail.v1' },
      traceExporters: ['otlp'],
      inspector: 'on',
      development: false,
      underNpm: true,
      logLevel: 'debug',
    })
  })

  it.each(['CERTIFICATE', 'KEY'])('takes no TLS %s alone', (part) => {
    const other = part === 'KEY' ? 'CERTIFICATE' : 'KEY'
    expect(() => readConfig({ [`EMBEDDED_NODE_TLS_${part}`]: 'file' })).toThrow(
      `EMBEDDED_NODE_TLS_${other}= is not allowed`,
    )
  })

  it('takes an empty variable as one that is not set', () => {
    expect(readConfig({ EVENTSTORE_URL: '', PORT: '' })).toMatchObject({ eventStoreUrl: undefined, port: 1323 })
  })

  it.each([
    ['PORT', '65536', 'a whole number from 0 to 65535'],
    ['PORT', '-1', 'a whole number from 0 to 65535'],
    ['PORT', '80a', 'a whole number from 0 to 65535'],
    ['EMBEDDED_NODE_PORT', '1.5', 'a whole number from 0 to 65535'],
    ['MAX_COMMANDS', '0', 'a whole number from 1 to 10000'],
    ['MAX_COMMANDS', '10001', 'a whole number from 1 to 10000'],
    ['MAX_COMMANDS', 'many', 'a whole number from 1 to 10000'],
    ['HOST', 'a b', 'a host name or an IP address'],
    ['LOG_LEVEL', 'loud', 'fatal, error, warn, info, debug, trace, silent'],
    ['EVENTSTORE_URL', 'http://localhost:2113', 'esdb:// or esdb+discover://'],
    ['EVENTSTORE_URL', 'esdb://', 'names a host'],
    ['EVENTSTORE_URL', 'esdb://localhost:99999', 'a whole number from 1 to 65535'],
    ['EVENTSTORE_URL', 'esdb://one:2113,two:port', 'a whole number from 1 to 65535'],
    ['EVENTSTORE_URL', 'esdb://localhost?tls=maybe', 'true or false'],
    ['EVENTSTORE_URL', 'esdb://localhost?tlsCAFile=/nope', 'certificate file'],
    ['EVENTSTORE_URL', 'esdb://localhost?speed=high', 'there is no option speed'],
    ['EVENTSTORE_URL', 'esdb://localhost?tlsVerifyCert=false', 'has no effect'],
    ['WEBHOOK_URL', 'ftp://example.com', 'http:// or https://'],
    ['WEBHOOK_URL', 'example.com/hooks', 'http:// or https://'],
    ['WEBHOOK_URL', 'https://', 'http:// or https://'],
    ['WEBHOOK_URL', 'http://localhost:99999/', 'from 0 to 65535'],
    ['OTEL_TRACES_EXPORTER', 'otlp,zipkin', 'otlp, console, none'],
    ['OTEL_EXPORTER_OTLP_ENDPOINT', 'collector:4318', 'http:// or https://'],
    ['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', 'http://', 'http:// or https://'],
  ])('refuses %s=%s in one line that says what is allowed', (variable, value, allowed) => {
    const read = () => readConfig({ [variable]: value })
    expect(read).toThrow(ConfigError)
    expect(read).toThrow(`${variable}=${value}`)
    expect(read).toThrow(allowed)
    expect(read).not.toThrow(/\n/)
  })

  it.each([
    ['none', undefined],
    ['no prefix', 'MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'],
    ['no base64', `whsec_${'!'.repeat(32)}`],
    ['less than 24 bytes', `whsec_${Buffer.alloc(23).toString('base64')}`],
    ['more than 64 bytes', `whsec_${Buffer.alloc(65).toString('base64')}`],
  ])('refuses a WEBHOOK_SECRET with %s where there is a WEBHOOK_URL, and does not repeat it', (_, secret) => {
    const read = () => readConfig({ WEBHOOK_URL: 'http://localhost/', WEBHOOK_SECRET: secret })
    const shown = secret === undefined ? '' : '\\*\\*\\*'
    expect(read).toThrow(new RegExp(`^WEBHOOK_SECRET=${shown} is not allowed: whsec_ and 24 to 64 bytes in base64`))
  })

  it.each(['two words', 'a/b', 'x'.repeat(101)])('refuses the WEBHOOK_GROUP %s', (group) => {
    const read = () =>
      readConfig({ WEBHOOK_URL: 'http://localhost/', WEBHOOK_SECRET: `whsec_${'A'.repeat(32)}`, WEBHOOK_GROUP: group })
    expect(read).toThrow(`WEBHOOK_GROUP=${group} is not allowed: the name of a group has 1 to 100 letters`)
  })

  it.each([
    [{ OTEL_TRACES_EXPORTER: 'otlp' }, ['otlp']],
    [{ OTEL_TRACES_EXPORTER: 'Console, otlp,otlp' }, ['console', 'otlp']],
    [{ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://localhost:4318/v1/traces' }, ['otlp']],
    [{ OTEL_TRACES_EXPORTER: 'console', OTEL_EXPORTER_OTLP_ENDPOINT: 'http://localhost:4318' }, ['console']],
    [{ OTEL_TRACES_EXPORTER: 'none', OTEL_EXPORTER_OTLP_ENDPOINT: 'http://localhost:4318' }, []],
    [{ OTEL_TRACES_EXPORTER: 'otlp', OTEL_SDK_DISABLED: 'TRUE' }, []],
    [{ OTEL_TRACES_EXPORTER: 'otlp', OTEL_SDK_DISABLED: 'false' }, ['otlp']],
    [{ OTEL_SERVICE_NAME: 'mine', OTEL_TRACES_SAMPLER: 'always_on' }, []],
  ])('sends traces with %j to %j', (environment, exporters) => {
    expect(readConfig(environment).traceExporters).toEqual(exporters)
  })

  it.each([
    ['OTEL_TRACES_SAMPLER', 'sometimes', 'always_on, parentbased_always_on, always_off'],
    ['OTEL_TRACES_SAMPLER_ARG', '1.1', 'from 0 to 1'],
    ['OTEL_TRACES_SAMPLER_ARG', 'half', 'from 0 to 1'],
    ['OTEL_EXPORTER_OTLP_PROTOCOL', 'grpc', 'http/protobuf is the only protocol'],
    ['OTEL_EXPORTER_OTLP_TRACES_PROTOCOL', 'http/json', 'http/protobuf is the only protocol'],
  ])('refuses %s=%s where there are traces', (variable, value, allowed) => {
    const read = (exporter: string) => () => readConfig({ [variable]: value, OTEL_TRACES_EXPORTER: exporter })
    expect(read('otlp')).toThrow(new RegExp(`^${variable}=${value} is not allowed: .*${allowed}`))
    expect(read('none')).not.toThrow()
  })

  it.each([24, 64])('takes a WEBHOOK_SECRET of %i bytes', (bytes) => {
    const secret = `whsec_${Buffer.alloc(bytes, 1).toString('base64')}`
    expect(readConfig({ WEBHOOK_URL: 'http://localhost/', WEBHOOK_SECRET: secret }).webhook?.secret).toBe(secret)
  })

  it('does not look at a WEBHOOK_SECRET without a WEBHOOK_URL', () => {
    expect(readConfig({ WEBHOOK_SECRET: 'left over' }).webhook).toBeUndefined()
  })

  it.each([
    ['EVENTSTORE_URL', 'https://admin:changeit@localhost'],
    ['EVENTSTORE_URL', 'admin:changeit@localhost'],
    ['EVENTSTORE_URL', 'esdb:admin:changeit@localhost'],
    ['EVENTSTORE_URL', 'esdb://admin:change/it@localhost:2113'],
    ['EVENTSTORE_URL', 'esdb://admin:change?it@localhost:2113'],
    ['EVENTSTORE_URL', 'esdb://admin:change@it@localhost:2113'],
    ['EVENTSTORE_URL', 'esdb://admin:change:it@localhost:2113'],
    ['EVENTSTORE_URL', 'esdb://admin:changeit@localhost?speed=high'],
    ['EVENTSTORE_URL', 'esdb://admin:changeit@'],
    ['EVENTSTORE_URL', 'esdb://admin:changeit%@localhost'],
    ['WEBHOOK_URL', 'https://admin:changeit@localhost'],
    ['OTEL_EXPORTER_OTLP_ENDPOINT', 'ftp://admin:changeit@localhost'],
  ])('does not repeat a password in %s: %s', (variable, value) => {
    const read = () => readConfig({ [variable]: value })
    expect(read).toThrow(ConfigError)
    expect(read).not.toThrow(/change|it@/)
  })

  it('takes failpoints for tests, and refuses them in production', () => {
    const failpoints = { ROLLBOOK_FAILPOINTS: 'projector.before-commit=kill' }
    expect(readConfig(failpoints).development).toBe(true)
    expect(() => readConfig({ ...failpoints, NODE_ENV: 'production' })).toThrow(ConfigError)
  })

  it.each(['change/it', 'change@it', 'change:it', 'change?it'])('wants %s percent-encoded', (password) => {
    const url = (secret: string) => `esdb://admin:${secret}@localhost:2113?tls=false`
    expect(() => readConfig({ EVENTSTORE_URL: url(password) })).toThrow('percent-encode')
    expect(readConfig({ EVENTSTORE_URL: url(encodeURIComponent(password)) }).eventStoreUrl).toContain('localhost')
  })
})
