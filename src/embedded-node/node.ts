import { Worker } from 'node:worker_threads'
import { NodeShutDown } from './errors.ts'
import { endPoint, readSecurity, type SecurityOptions } from './security.ts'
import type { NodeStatistics } from './statistics.ts'
import { unpackError, type WorkerInput, type WorkerMessage, type WorkerRequest } from './worker-messages.ts'

export interface EmbeddedNode {
  /** Where it listens, for example `127.0.0.1:2113`. */
  readonly address: string
  readonly port: number
  /** Resolves with the reason if the node ends by itself, {@link NodeShutDown} if a client wants that; never after {@link close}. */
  readonly failed: Promise<Error>
  /** What it has written since it started. Rejects when it was closed or has failed. */
  statistics(): Promise<NodeStatistics>
  /**
   * Ends all calls with UNAVAILABLE, refuses appends that were not committed and closes the log. Resolves when the log
   * may be opened again; a second call waits for the first.
   */
  close(): Promise<void>
}

export interface NodeOptions extends SecurityOptions {
  /** Folder of the log `eventstore.sqlite`; made where it is missing. */
  readonly dataDir: string
  /** 0 picks a free port. */
  readonly port: number
  /** Told what goes wrong by the node's own fault, such as a full disk: once until it is over. Default: a line on stderr. */
  readonly onFault?: ((reason: string) => void) | undefined
  /** Told at the start of files with secrets that other users of the machine can read. Default: a line on stderr. */
  readonly onWarning?: ((warning: string) => void) | undefined
}

/**
 * Starts a single-node EventStoreDB, in a thread of its own. Without `host` it listens on 127.0.0.1; without `users` its
 * callers may do everything. The files of `tls` and `users` are read once, before the log is opened.
 *
 * @throws LogInUse, UnknownLogFormat, CorruptLog, LogNotWritable, PortInUse, CannotListenOn, and those of {@link readSecurity}
 */
export async function startNode(options: NodeOptions): Promise<EmbeddedNode> {
  const { dataDir, port: wanted, onFault = printLine, onWarning = printLine } = options
  const security = readSecurity(options, onWarning)
  const input: WorkerInput = { dataDir, port: wanted, security }
  // Without flags of this process such as --input-type or a loader: the worker is plain compiled JavaScript.
  const settings = { workerData: input, name: 'eventstore', execArgv: [] }
  const worker = new Worker(new URL('./worker.js', import.meta.url), settings)
  const exited = new Promise<void>((resolve) => worker.once('exit', () => resolve()))
  let closing: Promise<void> | undefined
  const asking: { resolve(statistics: NodeStatistics): void; reject(error: Error): void }[] = []
  let shutDown: NodeShutDown | undefined
  const port = await new Promise<number>((resolve, reject) => {
    let refusal: Error | undefined
    worker.on('message', (message: WorkerMessage) => {
      if (message.kind === 'listening') resolve(message.port)
      else if (message.kind === 'fault') onFault(message.reason)
      else if (message.kind === 'statistics') asking.shift()?.resolve(message.statistics)
      else if (message.kind === 'shutting-down') shutDown = new NodeShutDown()
      else refusal = unpackError(message.error)
    })
    worker.once('error', reject)
    worker.once('exit', (code) => {
      reject(refusal ?? new Error(`The node's thread ended with code ${code} before it listened`))
    })
  })
  const failed = new Promise<Error>((resolve) => {
    worker.once('error', resolve)
    worker.once('exit', (code) => {
      if (closing === undefined) resolve(shutDown ?? new Error(`The node's thread ended with code ${code}`))
    })
  })
  const ask = (request: WorkerRequest): void => worker.postMessage(request)
  let hasExited = false
  void exited.then(() => {
    hasExited = true
    for (const { reject } of asking.splice(0)) reject(new Error('The node has ended'))
  })
  const statistics = (): Promise<NodeStatistics> =>
    new Promise((resolve, reject) => {
      if (hasExited) return reject(new Error('The node has ended'))
      asking.push({ resolve, reject })
      ask('statistics')
    })
  const close = (): Promise<void> => {
    if (closing === undefined) ask('close')
    closing ??= exited
    return closing
  }
  return { address: endPoint(security.host, port), port, failed, statistics, close }
}

function printLine(text: string): void {
  process.stderr.write(`eventstore: ${text}\n`)
}
