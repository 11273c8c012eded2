import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * Where the node that owns the log in `dataDir` listens (`127.0.0.1:2113`), or undefined when none runs. After a crash
 * the answer can be stale for as long as another process has the dead one's id: only a connection tells.
 */
export function readNodeAddress(dataDir: string): string | undefined {
  const { address, pid } = read(dataDir)
  return pid !== undefined && isAlive(pid) ? address : undefined
}

/** What the file says, whether or not its writer lives. */
export const readAddressFile = (dataDir: string): string | undefined => read(dataDir).address

/** Whether clients of the node that owns the log in `dataDir` need TLS. */
export const isNodeSecured = (dataDir: string): boolean => read(dataDir).tls === true

/** Says where this process listens. Readers see the old file or the new one, never a part. */
export function writeAddressFile(dataDir: string, address: string, tls: boolean): void {
  const draft = `${fileIn(dataDir)}.${process.pid}`
  writeFileSync(draft, `${JSON.stringify({ address, pid: process.pid, tls })}\n`)
  renameSync(draft, fileIn(dataDir))
}

export function removeAddressFile(dataDir: string): void {
  rmSync(fileIn(dataDir), { force: true })
}

const fileIn = (dataDir: string): string => join(dataDir, 'eventstore.address')

function read(dataDir: string): { address?: string; pid?: number; tls?: boolean } {
  try {
    const content: unknown = JSON.parse(readFileSync(fileIn(dataDir), 'utf8'))
    if (typeof content !== 'object' || content === null || !('address' in content) || !('pid' in content)) return {}
    const { address, pid } = content
    const tls = 'tls' in content && content.tls === true
    return typeof address === 'string' && typeof pid === 'number' ? { address, pid, tls } : {}
  } catch {
    return {}
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}
