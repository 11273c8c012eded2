import { isMainThread, parentPort, workerData } from 'node:worker_threads'
import { logVerbosity, setLogVerbosity } from '@grpc/grpc-js'
import { serve } from './server.ts'
import { packError, type WorkerInput, type WorkerMessage, type WorkerRequest } from './worker-messages.ts'

if (isMainThread || parentPort === null) throw new Error('worker.ts runs as a worker thread only; see node.ts')
const port = parentPort
const input: WorkerInput = workerData
// What matters of its messages comes as an error as well.
setLogVerbosity(logVerbosity.NONE)
const say = (message: WorkerMessage): void => port.postMessage(message)

try {
  const server = await serve(input, () => {
    say({ kind: 'shutting-down' })
    void close()
  })
  let closing: Promise<void> | undefined
  const close = async (): Promise<void> => {
    closing ??= server.close()
    await closing
    port.close()
  }
  port.on('message', (request: WorkerRequest) => {
    if (request === 'statistics') say({ kind: 'statistics', statistics: server.statistics() })
    else void close()
  })
  say({ kind: 'listening', port: server.port })
} catch (error) {
  say({ kind: 'failed', error: packError(error) })
  port.close()
}
