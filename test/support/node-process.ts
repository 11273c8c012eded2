import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'

/** A node in a process of its own, to be killed or starved. */
export interface NodeProcess {
  readonly address: string
  readonly process: ChildProcess
  /** Ends it at once, as a crash would. */
  kill(): Promise<void>
}

const NODE = new URL('../../dist/src/embedded-node/node.js', import.meta.url).href
const PROGRAM = `
  const { startNode } = await import(${JSON.stringify(NODE)})
  try {
    const node = await startNode({ dataDir: process.env.DATA_DIR, port: 0 })
    console.log(node.address)
    setInterval(() => {}, 1000)
  } catch (error) {
    console.log('refused ' + JSON.stringify({ name: error.name, ...error }))
  }
`

/** Starts a node; `prelude` is shell code that runs before it, for limits. Rejects with what the node was refused with. */
export async function startNodeProcess(dataDir: string, prelude = ''): Promise<NodeProcess> {
  const command = `${prelude}\nexec "$0" --input-type=module -e "$1"`
  const child = spawn('sh', ['-c', command, process.execPath, PROGRAM], {
    env: { ...process.env, DATA_DIR: dataDir },
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const [line] = await Promise.race([once(child.stdout, 'data'), once(child, 'exit')])
  const said = String(line).trim()
  if (!/^127\.0\.0\.1:\d+$/.test(said)) throw new Error(said)
  const kill = async (): Promise<void> => {
    const exited = child.exitCode === null && child.signalCode === null ? once(child, 'exit') : undefined
    child.kill('SIGKILL')
    await exited
  }
  return { address: said, process: child, kill }
}
