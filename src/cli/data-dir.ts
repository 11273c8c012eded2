import { mkdirSync, mkdtempSync, rmdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { ConfigError } from '../config.ts'

/**
 * Makes the data directory where it is missing.
 *
 * @throws {ConfigError} it cannot be made, or nothing can be made in it.
 */
export function prepareDataDir(dataDir: string): void {
  try {
    makeFolder(dataDir)
    rmdirSync(mkdtempSync(join(dataDir, '.writable-')))
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new ConfigError('DATA_DIR', dataDir, `it must be a folder to write to, or one that can be made: ${reason}`)
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
