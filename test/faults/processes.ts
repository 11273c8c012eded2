import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'

export interface Command {
  readonly process: ChildProcess
  /** Everything that it has printed so far, on both channels. */
  output(): string
  /** Its exit code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>
}

/** Failpoints and a clock that jumps come with a module of the tests. */
const PRELOAD = pathToFileURL(resolve('test/faults/preload.mjs')).href

/** The compiled service. */
export const DIST = resolve('dist')

/** Runs the command line as users do, in an environment of its own. `wrapper` is a command that runs it. */
export function run(
  parameters: readonly string[],
  environment: Record<string, string> = {},
  { dist = DIST, wrapper = [] }: { dist?: string; wrapper?: readonly string[] } = {},
): Command {
  const { EVENTSTORE_URL: _, NO_COLOR: __, FORCE_COLOR: ___, ...inherited } = process.env
  const isSteered = 'ROLLBOOK_FAILPOINTS' in environment || 'ROLLBOOK_CLOCK' in environment
  const [program = '', ...rest] = [...wrapper, process.execPath, resolve(dist, 'src/cli.js'), ...parameters]
  const child = spawn(program, rest, {
    env: {
      ...inherited,
      ...{ PORT: '0', EMBEDDED_NODE_PORT: '0' },
      ...(isSteered && { NODE_OPTIONS: `--import=${PRELOAD}` }),
      ...environment,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const chunks: Buffer[] = []
  child.stdout.on('data', (chunk) => chunks.push(chunk))
  child.stderr.on('data', (chunk) => chunks.push(chunk))
  const ended = once(child, 'close').then(([code, signal]) => code ?? signal)
  return { process: child, ended, output: () => Buffer.concat(chunks).toString() }
}

/** Waits for output that matches, and gives the first group of the match. */
export async function printed(command: Command, pattern: RegExp): Promise<string> {
  const hasEnded = () => command.process.exitCode !== null || command.process.signalCode !== null
  await waitUntil(() => pattern.test(command.output()) || hasEnded(), `output like ${pattern}`)
  const found = pattern.exec(command.output())?.[1]
  if (found === undefined) throw new Error(`ended without output like ${pattern}:\n${command.output()}`)
  return found
}

export async function waitUntil(
  condition: () => boolean | Promise<boolean>,
  what: string,
  deadline = 30_000,
): Promise<void> {
  const end = performance.now() + deadline
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`waited ${deadline} ms in vain for ${what}`)
    await setTimeout(5)
  }
}
