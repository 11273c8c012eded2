import { mkdirSync, mkdtempSync, rmdirSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** The data directory cannot be made, or nothing can be made in it. The cause is the system's error. */
export class UnusableDataDir extends Error {
  override readonly name = 'UnusableDataDir'
  readonly dataDir: string

  constructor(dataDir: string, reason: string, options: ErrorOptions) {
    const allowed = 'it must be a folder to write to, or one that can be made'
    super(`DATA_DIR=${dataDir} is not allowed: ${allowed}: ${reason}`, options)
    this.dataDir = dataDir
  }
}

/** No service and no node has run on the data directory. */
export class NoEventStore extends Error {
  override readonly name = 'NoEventStore'
  readonly dataDir: string

  constructor(dataDir: string) {
    super(`there is no event store in ${dataDir}: start the service first`)
    this.dataDir = dataDir
  }
}

/**
 * Makes the data directory where it is missing.
 *
 * @throws {UnusableDataDir}
 */
export function prepareDataDir(dataDir: string): void {
  try {
    makeFolder(dataDir)
    rmdirSync(mkdtempSync(join(dataDir, '.writable-')))
  } catch (error) {
    throw new UnusableDataDir(dataDir, error instanceof Error ? error.message : String(error), { cause: error })
  }
}

/** Not with `recursive`: Node then tries for ever where no folder can be made, as below /proc. */
function makeFolder(path: string): void {
  try {
    mkdirSync(path)
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'EEXIST') return
    if (code !== 'ENOENT' || dirname(path) === path) throw error
    makeFolder(dirname(path))
    mkdirSync(path)
  }
}
