import { createHash, randomUUID } from 'node:crypto'
import { closeSync, copyFileSync, openSync, readdirSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { Log } from '../../src/embedded-node/log.ts'
import type { LogEvent } from '../../src/embedded-node/log-event.ts'

export const LOG_FILE = 'eventstore.sqlite'

export function eventOf(stream: string, revision: number, data = '', type = 't'): Omit<LogEvent, 'position'> {
  const common = { id: randomUUID(), json: type === '$metadata', created: 1, metadata: Buffer.alloc(0) }
  return { ...common, stream, revision, type, data: Buffer.from(data) }
}

/** Writes events behind those of the log, with a transaction for each inner list, and closes it. */
export function writeLog(dataDir: string, ...transactions: readonly Omit<LogEvent, 'position'>[][]): string {
  const log = new Log(dataDir)
  writeTo(log, transactions)
  log.close()
  return log.path
}

/** Leaves the files of a node that was killed in `dataDir`; `running` is a scratch folder. */
export function crashLog(
  running: string,
  dataDir: string,
  ...transactions: readonly Omit<LogEvent, 'position'>[][]
): string {
  const log = new Log(running)
  writeTo(log, transactions)
  for (const name of [LOG_FILE, `${LOG_FILE}-wal`]) copyFileSync(join(running, name), join(dataDir, name))
  log.close()
  return join(dataDir, LOG_FILE)
}

function writeTo(log: Log, transactions: readonly Omit<LogEvent, 'position'>[][]): void {
  for (const events of transactions) {
    log.transaction(() => {
      for (const event of events) log.insert(event)
    })
  }
}

export function overwrite(path: string, offset: number, bytes: Buffer): void {
  const file = openSync(path, 'r+')
  writeSync(file, bytes, 0, bytes.length, offset)
  closeSync(file)
}

/** The names and contents of all files of a folder but the index of the write-ahead log, which is shared memory. */
export function contents(folder: string): Record<string, string> {
  const names = readdirSync(folder).filter((name) => !name.endsWith('-shm'))
  return Object.fromEntries(
    names.map((name) => [
      name,
      createHash('sha256')
        .update(readFileSync(join(folder, name)))
        .digest('hex'),
    ]),
  )
}
