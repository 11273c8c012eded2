import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { EventStoreDBClient } from '@eventstore/db-client'
import { ServerFeaturesClient } from '@eventstore/db-client/generated/serverfeatures_grpc_pb.js'
import shared from '@eventstore/db-client/generated/shared_pb.js'
import { credentials } from '@grpc/grpc-js'
import { z } from 'zod'
import { startNode } from '../support/embedded-node.ts'
import { readRecording, recordAnew, writeRecording } from './recording-file.ts'

// npm run record -- FILE: sends the operations of the file to the event store at EVENTSTORE_URL, else to an embedded
// node of its own, and writes what comes back into the file. New operations need any outcome, null for one.

const [path] = process.argv.slice(2)
if (path === undefined) throw new Error('Which file? npm run record -- test/recordings/scripted.json')
const recorded = readRecording(readFileSync(path, 'utf8'))

const dataDir = mkdtempSync(join(tmpdir(), 'rollbook-record-'))
const given = process.env['EVENTSTORE_URL']
const node = given === undefined || given === '' ? await startNode({ dataDir, port: 0 }) : undefined
const url = node === undefined ? (given ?? '') : `esdb://${node.address}?tls=false`
const client = EventStoreDBClient.connectionString(url)
try {
  const name = node === undefined ? 'EventStoreDB' : 'embedded node'
  const server = `${name} ${await versionOf(new URL(url).host)}`
  const outcomes = await recordAnew(client, { ...recorded, server, client: clientName() })
  writeFileSync(path, writeRecording(outcomes))
  process.stdout.write(`${path} holds ${outcomes.scenarios.length} scenarios, recorded with ${server}\n`)
} finally {
  await node?.close()
  await client.dispose()
  rmSync(dataDir, { recursive: true, force: true })
}

/** Of an insecure server. */
function versionOf(host: string): Promise<string> {
  const features = new ServerFeaturesClient(host, credentials.createInsecure())
  return new Promise((resolve, reject) => {
    features.getSupportedMethods(new shared.Empty(), (error, response) => {
      features.close()
      if (error === null) resolve(response.getEventStoreServerVersion())
      else reject(error)
    })
  })
}

function clientName(): string {
  const require = createRequire(import.meta.url)
  const { name, version } = z
    .object({ name: z.string(), version: z.string() })
    .parse(JSON.parse(readFileSync(require.resolve('@eventstore/db-client/package.json'), 'utf8')))
  return `${name} ${version}`
}
