import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { onTestFinished } from 'vitest'

export interface Command {
  readonly process: ChildProcess
  /** Everything that it has printed so far, on both channels. */
  output(): string
  /** Its exit code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>
}

export interface Service extends Command {
  readonly url: string
}

/** Runs the command line as users do, in an environment of its own; killed when the test ends. `wrapper` is a command that runs it. */
export function rollbook(
  parameters: readonly string[],
  environment: Record<string, string> = {},
  wrapper: readonly string[] = [],
): Command {
  const { EVENTSTORE_URL: _, NO_COLOR: __, FORCE_COLOR: ___, ...inherited } = process.env
  const [program, ...rest] = [...wrapper, process.execPath, resolve('dist/src/cli.js'), ...parameters]
  const child = spawn(program ?? '', rest, {
    env: { ...inherited, PORT: '0', EMBEDDED_NODE_PORT: '0', ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const chunks: Buffer[] = []
  child.stdout.on('data', (chunk) => chunks.push(chunk))
  child.stderr.on('data', (chunk) => chunks.push(chunk))
  const ended = once(child, 'close').then(([code, signal]) => code ?? signal)
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await ended
  })
  return { process: child, ended, output: () => Buffer.concat(chunks).toString() }
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

/** Waits for output that matches, and gives the first group of the match. */
export async function printed(command: Command, pattern: RegExp): Promise<string> {
  let match: RegExpExecArray | null = null
  const isOver = async () => {
    match = pattern.exec(command.output())
    return match !== null || command.process.exitCode !== null
  }
  await waitUntil(isOver, `output like ${pattern}`)
  const found = pattern.exec(command.output())?.[1]
  if (found === undefined) throw new Error(`ended without output like ${pattern}:\n${command.output()}`)
  return found
}

export async function waitUntil(
  condition: () => boolean | Promise<boolean>,
  what: string,
  deadline = 20_000,
): Promise<void> {
  const end = performance.now() + deadline
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`waited ${deadline} ms in vain for ${what}`)
    await setTimeout(5)
  }
}

/** A directory that goes away when the test ends. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'rollbook-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}
