import { parentPort } from 'node:worker_threads'
import { BoundedMap } from './bounded-map.ts'
import type { WorkerMessage } from './worker-messages.ts'

/** A fault is over when it has not been met for so many milliseconds. */
const OVER_MS = 60_000

const lastMet = new BoundedMap<number>(100)

/** Tells the thread that started the node what is the node's own fault; not again until that is over. */
export function reportFault(error: unknown): void {
  const reason = error instanceof Error ? error.message : String(error)
  const before = lastMet.get(reason)
  lastMet.set(reason, performance.now())
  if (before !== undefined && performance.now() - before < OVER_MS) return
  const message: WorkerMessage = { kind: 'fault', reason }
  parentPort?.postMessage(message)
}
