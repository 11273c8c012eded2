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
      LOG_LEVEL: 'debug',
    }
    expect(readConfig(environment)).toEqual({
      eventStoreUrl: environment.EVENTSTORE_URL,
      host: '::1',
      port: 0,
      dataDir: '/var/lib/rollbook',
      embeddedNodePort: 65_535,
      logLevel: 'debug',
    })
  })

  it('takes an empty variable as one that is not set', () => {
    expect(readConfig({ EVENTSTORE_URL: '', PORT: '' })).toMatchObject({ eventStoreUrl: undefined, port: 1323 })
  })

  it.each([
    ['PORT', '65536', 'a whole number from 0 to 65535'],
    ['PORT', '-1', 'a whole number from 0 to 65535'],
    ['PORT', '80a', 'a whole number from 0 to 65535'],
    ['EMBEDDED_NODE_PORT', '1.5', 'a whole number from 0 to 65535'],
    ['HOST', 'a b', 'a host name or an IP address'],
    ['LOG_LEVEL', 'loud', 'fatal, error, warn, info, debug, trace, silent'],
    ['EVENTSTORE_URL', 'http://localhost:2113', 'esdb:// or esdb+discover://'],
    ['EVENTSTORE_URL', 'esdb://', 'names a host'],
  ])('refuses %s=%s in one line that says what is allowed', (variable, value, allowed) => {
    const read = () => readConfig({ [variable]: value })
    expect(read).toThrow(ConfigError)
    expect(read).toThrow(`${variable}=${value}`)
    expect(read).toThrow(allowed)
    expect(read).not.toThrow(/\n/)
  })

  it('does not repeat a password', () => {
    expect(() => readConfig({ EVENTSTORE_URL: 'https://admin:changeit@localhost' })).not.toThrow(/changeit/)
  })
})
