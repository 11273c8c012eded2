import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { startNode } from './embedded-node.ts'

declare module 'vitest' {
  interface ProvidedContext {
    eventStoreUrl: string
  }
}

/** One event store for the whole run: EVENTSTORE_URL where it is set, else an embedded node in a folder of its own. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const url = process.env['EVENTSTORE_URL']
  if (url !== undefined && url !== '') {
    project.provide('eventStoreUrl', url)
    return async () => {}
  }
  const dataDir = mkdtempSync(join(tmpdir(), 'rollbook-test-'))
  const node = await startNode({ dataDir, port: 0 })
  project.provide('eventStoreUrl', `esdb://${node.address}?tls=false`)
  return async () => {
    await node.close()
    rmSync(dataDir, { recursive: true, force: true })
  }
}
