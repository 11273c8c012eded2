import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface Running {
  readonly process: ChildProcess
  stop(): Promise<void>
}

const cli = 'dist/src/cli.js'

export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'rollbook-bench-'))
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }))
  return directory
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

/** Starts one of our commands; resolves once the URL answers, or at once where there is none. */
export async function start(
  command: readonly string[],
  environment: Record<string, string>,
  readyUrl?: string,
): Promise<Running> {
  return run([cli, ...command], environment, readyUrl)
}

export async function run(
  script: readonly string[],
  environment: Record<string, string>,
  readyUrl?: string,
): Promise<Running> {
  const child = spawn(process.execPath, script, {
    env: { ...process.env, LOG_LEVEL: 'warn', ...environment },
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const running = { process: child, stop: () => stop(child) }
  process.setMaxListeners(0).on('exit', () => child.kill('SIGKILL'))
  while (readyUrl && !(await answers(readyUrl))) {
    if (child.exitCode !== null) throw new Error(`${script.join(' ')} ended with exit code ${child.exitCode}`)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  return running
}

/** The embedded node alone, on an empty log. */
export async function startStore(): Promise<Running & { url: string }> {
  const port = await freePort()
  const running = await start(['node', '--data-dir', temporaryDirectory(), '--port', String(port)], {})
  while (!(await accepts(port))) await new Promise((resolve) => setTimeout(resolve, 2))
  return { ...running, url: `esdb://127.0.0.1:${port}?tls=false` }
}

/** Resident memory in MiB; undefined once the process has ended. */
export function residentMemory({ process: { pid } }: Running): number | undefined {
  try {
    const kilobytes = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
    return kilobytes === undefined ? undefined : Number(kilobytes) / 1024
  } catch {
    return undefined
  }
}

/** Time on the processors so far, in milliseconds. Unlike time on the clock, it does not depend on what else runs. */
export function processorTime({ process: { pid } }: Running): number {
  // Fields 14 and 15 of proc(5); the second is a name in parentheses.
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) * TICK
}

/** Of that clock on Linux, in milliseconds. */
const TICK = 10

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGTERM')
  await once(child, 'exit')
}

async function accepts(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  const accepted = await new Promise<boolean>((resolve) => {
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
  })
  socket.destroy()
  return accepted
}

async function answers(url: string): Promise<boolean> {
  try {
    const response = await fetch(url)
    await response.arrayBuffer()
    return response.ok
  } catch {
    return false
  }
}
