import { accessSync, constants, existsSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import type { Command } from 'commander'
import { readConfig } from '../config.ts'
import { readNodeAddress } from '../embedded-node/address.ts'
import { backupLog } from '../embedded-node/log-backup.ts'
import { checkLog, type LogCheck } from '../embedded-node/log-check.ts'
import { withNode } from './event-store.ts'
import { count, paced, withProgress } from './progress.ts'
import { scavenge } from './scavenge.ts'

/** The exit code of a command that has found damage. */
const EXIT_DAMAGED = 3
const EXIT_FAILURE = 1

interface Options {
  readonly dataDir?: string
}

const DATA_DIR_OPTION = ['--data-dir <path>', 'folder of the log (default: DATA_DIR)'] as const

/** Adds what is done to the log's file itself, whether or not a node runs on it. */
export function addLogCommands(node: Command, print: (line: string) => void, interrupted: () => AbortSignal): void {
  node
    .command('check')
    .description(
      'read all of the log, or of a backup of it, and say what is damaged; changes nothing. Exit code 3: damage',
    )
    .argument('[file]', 'a backup (default: the log)')
    .option(...DATA_DIR_OPTION)
    .action(async (backup: string | undefined, options: Options) => {
      const log = backup === undefined ? logOf(options) : undefined
      const file = log?.file ?? existing(resolve(backup ?? ''))
      const address = log === undefined ? undefined : readNodeAddress(log.dataDir)
      const found = await withProgress((onProgress) => {
        const report = paced(onProgress)
        return checkLog(file, {
          isLive: address !== undefined,
          onProgress: ({ events, fraction }) => report(events, fraction),
          signal: interrupted(),
        })
      })
      const { damages, damageCount, warnings, warningCount } = found
      for (const damage of damages) print(`damage: ${damage}`)
      if (damageCount > damages.length) print(`and ${count(damageCount - damages.length)} more`)
      for (const warning of warnings) print(`warning: ${warning}`)
      if (warningCount > warnings.length) print(`and ${count(warningCount - warnings.length)} more`)
      const live = address === undefined ? '' : `, a snapshot beside the node on ${address}`
      print(
        `${damageCount === 0 ? 'No damage' : `DAMAGED, ${count(damageCount)} ${damageCount === 1 ? 'finding' : 'findings'}`}: ${extent(found)}, ${file}${live}`,
      )
      process.exitCode = damageCount === 0 ? 0 : EXIT_DAMAGED
    })

  node
    .command('backup')
    .description('copy the log into a new file, verified, while the node runs. Exit code 3: the log is damaged')
    .argument('<file>', 'where to; restored by copying it to eventstore.sqlite in an empty folder')
    .option(...DATA_DIR_OPTION)
    .action(async (target: string, options: Options) => {
      const { file } = logOf(options)
      checkFolder(dirname(resolve(target)))
      const found = await withProgress((onProgress) => {
        const report = paced(onProgress)
        return backupLog(file, resolve(target), {
          onProgress: ({ pages, fraction }) => report(pages, fraction),
          signal: interrupted(),
        })
      }, 'pages')
      print(`Backed up and verified ${extent(found)}: ${resolve(target)}`)
    })

  node
    .command('scavenge')
    .description('have the node remove what nobody can read any more and give the space back; it goes on serving')
    .option(...DATA_DIR_OPTION)
    .action(async (options: Options) => {
      await withNode(dataDirOf(options), async (address) => {
        const { result, timeTaken, spaceSaved, error } = await scavenge(address, print, interrupted())
        print(`${result} after ${timeTaken}, ${count(spaceSaved)} bytes given back. ${error ?? ''}`.trim())
        process.exitCode = result === 'Success' ? 0 : EXIT_FAILURE
      })
    })
}

const extent = ({ events, streams, lastPosition }: LogCheck): string =>
  `${count(events)} events of ${count(streams)} streams up to position ${lastPosition}`

function logOf(options: Options): { dataDir: string; file: string } {
  const dataDir = dataDirOf(options)
  return { dataDir, file: existing(join(dataDir, 'eventstore.sqlite')) }
}

function dataDirOf({ dataDir }: Options): string {
  return readConfig({ ...process.env, ...(dataDir !== undefined && { DATA_DIR: dataDir }) }).dataDir
}

function checkFolder(folder: string): void {
  try {
    accessSync(folder, constants.W_OK)
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new Error(`the backup needs a folder that exists and can be written to: ${reason}`)
  }
}

function existing(file: string): string {
  if (!existsSync(file)) throw new Error(`there is no ${file}`)
  if (statSync(file).isDirectory()) throw new Error(`${file} is a folder: give --data-dir for the log in it`)
  return file
}
