import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { type Command, printed, run, waitUntil } from '../faults/processes.ts'

export { printed, waitUntil }

export interface Service extends Command {
  readonly url: string
}

/** Runs the command line as users do, in an environment of its own; killed when the test ends. `wrapper` is a command that runs it. */
export function rollbook(
  parameters: readonly string[],
  environment: Record<string, string> = {},
  wrapper: readonly string[] = [],
): Command {
  const command = run(parameters, environment, { wrapper })
  onTestFinished(async () => {
    command.process.kill('SIGKILL')
    await command.ended
  })
  return command
}

/** Starts the service and waits until it is ready, or with `until: 'listening'` until it answers. */
export async function startService(
  environment: Record<string, string>,
  until: 'ready' | 'listening' = 'ready',
  wrapper: readonly string[] = [],
): Promise<Service> {
  const command = rollbook(['serve'], environment, wrapper)
  const url = await printed(command, /API: (http:\/\/[^\s"]+)/)
  if (until === 'ready') await waitUntil(async () => (await fetch(`${url}/health/ready`)).ok, `${url} to be ready`)
  return { ...command, url }
}

/** Starts the embedded node alone; gives its connection string. */
export async function startNode(dataDir: string, port = 0): Promise<Command & { url: string }> {
  const command = rollbook(['node', '--data-dir', dataDir, '--port', String(port)])
  const url = await printed(command, /Event store: (esdb:\/\/[^\s"]+)/)
  return { ...command, url }
}

/** A directory that goes away when the test ends. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'rollbook-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}
