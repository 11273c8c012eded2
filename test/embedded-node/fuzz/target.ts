import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'

const NODE = new URL('../../../dist/src/embedded-node/node.js', import.meta.url).href
const PROGRAM = `
  const { startNode } = await import(${JSON.stringify(NODE)})
  const node = await startNode({ dataDir: process.env.DATA_DIR, port: 0 })
  node.failed.then((error) => { console.error('failed', error); process.exit(3) })
  console.log(node.address)
  process.stdin.resume().on('end', () => node.close().then(() => process.exit(0)))
`

/** A node in a process of its own, watched from outside. */
export interface Target {
  readonly port: number
  /** What it said on stderr: nothing, unless something is wrong. */
  complaints(): string
  isAlive(): boolean
  /** Resident bytes of the process. */
  memory(): number
  /** Open file descriptors of the process: its files and its sockets. */
  descriptors(): number
  /** Asks it to close, or waits until what has ended has said everything; resolves with its exit code. */
  close(): Promise<number | null>
}

export async function startTarget(dataDir: string): Promise<Target> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', PROGRAM], {
    env: { ...process.env, DATA_DIR: dataDir },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  let said = ''
  child.stderr.on('data', (chunk) => {
    said += String(chunk)
  })
  // With all that it has said.
  const exited = once(child, 'close')
  const [line] = await Promise.race([once(child.stdout, 'data'), exited])
  const port = Number(/:(\d+)/.exec(String(line))?.[1])
  if (Number.isNaN(port)) throw new Error(`The node did not start: ${said}`)
  const isAlive = () => child.exitCode === null && child.signalCode === null
  return {
    port,
    complaints: () => (isAlive() ? said : `${said}\nended with ${child.exitCode ?? child.signalCode}`),
    isAlive,
    memory: () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1]) * 1024,
    descriptors: () => readdirSync(`/proc/${child.pid}/fd`).length,
    close: async () => {
      child.stdin.end()
      const timer = setTimeout(() => child.kill('SIGKILL'), 10_000)
      await exited
      clearTimeout(timer)
      return child.exitCode
    },
  }
}
