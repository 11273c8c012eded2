import { EventStoreDBClient, UnavailableError } from '@eventstore/db-client'
import { Metadata, status } from '@grpc/grpc-js'
import { describe, expect, it, onTestFinished } from 'vitest'
import { unavailable } from '../../src/eventstoredb/errors.ts'
import { checkVersion, refusalOf } from '../../src/eventstoredb/refusal.ts'
import { startOldServer } from '../support/old-server.ts'

describe('a connection that could not be made', () => {
  it.each([
    ['other-server', 'Protocol error (2026-11-24T00:25:10.104Z)'],
    ['other-server', 'Error: error:0A000460:SSL routines:ssl3_read_bytes:tlsv1 alert no application protocol'],
    ['no-tls', 'Error: error:0A00010B:SSL routines:ssl3_get_record:wrong version number'],
    ['certificate', 'Error: self-signed certificate'],
    ['certificate', 'Error: self-signed certificate in certificate chain'],
    ['certificate', 'Error: unable to verify the first certificate'],
    ['certificate', 'Error: unable to get local issuer certificate'],
    ['certificate', 'Error: certificate has expired'],
    ['certificate', "Error [ERR_TLS_CERT_ALTNAME_INVALID]: Hostname/IP does not match certificate's altnames: Host: a"],
    [undefined, 'Error: connect ECONNREFUSED 127.0.0.1:2113'],
    [undefined, 'Failed to connect (2026-11-24T00:25:10.104Z)'],
  ])('counts as %s for "%s"', (refusal, lastError) => {
    const message = `14 UNAVAILABLE: No connection established. Last error: ${lastError}. Resolution note: `
    const error = Object.assign(new Error(message), { code: status.UNAVAILABLE, details: '', metadata: new Metadata() })
    expect(refusalOf(unavailable(new UnavailableError(error)))).toBe(refusal)
  })
})

describe('the version of a server', () => {
  it.each(['23.10.0', '23.10.6', '24.2.0', '24.10.4', '25.0.0', '0.0.0.0'])('may be %s', async (version) => {
    await checkVersion(await clientOf(version))
  })

  it.each(['20.10.2', '22.10.5', '23.6.0', 'unknown'])('may not be %s', async (version) => {
    await expect(checkVersion(await clientOf(version))).rejects.toThrow(
      `the server has version ${version}, and 23.10 or newer is needed`,
    )
  })

  it('that cannot be found out is no reason to refuse it', async () => {
    const client = EventStoreDBClient.connectionString('esdb://127.0.0.1:1?tls=false')
    onTestFinished(() => client.dispose())
    await checkVersion(client)
  })
})

async function clientOf(version: string): Promise<EventStoreDBClient> {
  const client = EventStoreDBClient.connectionString(`esdb://${await startOldServer(version)}?tls=false`)
  onTestFinished(() => client.dispose())
  return client
}
