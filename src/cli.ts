#!/usr/bin/env node
import { Command } from 'commander'
import type { Logger } from 'pino'
import { prepareDataDir } from './cli/data-dir.ts'
import { withEventStore } from './cli/event-store.ts'
import { explained } from './cli/explained.ts'
import { addHashPassword } from './cli/hash-password.ts'
import { addLogCommands } from './cli/log-commands.ts'
import { loggerOf } from './cli/logger.ts'
import { count, withProgress } from './cli/progress.ts'
import { describe, statusReport } from './cli/report.ts'
import { type Config, readConfig } from './config.ts'
import { NodeShutDown } from './embedded-node/errors.ts'
import { nodeUrl, projections, readModelDir, serve, startEmbeddedNode } from './main.ts'
import { rebuild } from './read-model/rebuild.ts'
import { verify } from './read-model/verify.ts'

const EXIT_FAILURE = 1
const EXIT_USAGE = 2

/** Longest time for a shutdown, in milliseconds. */
const SHUTDOWN = 9_500

/** How long a signal that npm passes on may come after the terminal's own, in milliseconds. */
const ECHO = 300

// Node.js warns of what its users could change, and nobody here can, such as a connection over TLS to an IP address.
process.noDeprecation = true
// Who reads the output may have seen enough, as `head` has.
process.stdout.on('error', () => process.exit(EXIT_FAILURE))

const program = new Command('rollbook')
  .description('Event-sourced user registration on EventStoreDB. Configured by environment variables: see README.')
  .configureOutput({ writeErr: (text) => process.stderr.write(text) })
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : EXIT_USAGE))
  // `--data-dir` belongs to the command that it follows.
  .enablePositionalOptions()

program
  .command('serve')
  .description('start the service, and the embedded node where EVENTSTORE_URL is not set')
  .action(async () => {
    const config = readConfig(process.env)
    prepareDataDir(config.dataDir)
    await runUntilStopped(config, async (logger, stop) => {
      const service = await serve(config, logger, stop)
      logger.info(`Rollbook is up. API: ${service.url} Docs: ${service.url}/docs Event store: ${service.eventStore}`)
      return service
    })
  })

const node = program
  .command('node')
  .description('start the embedded node alone, for other clients and services')
  .option('--data-dir <path>', 'folder of the log (default: DATA_DIR)')
  .option('--port <number>', 'gRPC port, 0 for a free one (default: EMBEDDED_NODE_PORT)')
  .option('--host <name>', 'where to listen; other than loopback takes TLS and users (default: EMBEDDED_NODE_HOST)')
  .option('--tls-certificate <file>', 'certificate in PEM (default: EMBEDDED_NODE_TLS_CERTIFICATE)')
  .option('--tls-key <file>', 'its private key in PEM (default: EMBEDDED_NODE_TLS_KEY)')
  .option('--users <file>', 'lines of login:hash:groups; see hash-password (default: EMBEDDED_NODE_USERS)')
  .action(async (options: Readonly<Record<string, string>>) => {
    const config = readConfig({ ...process.env, ...variablesOf(options) })
    prepareDataDir(config.dataDir)
    await runUntilStopped(config, async (logger) => {
      const node = await startEmbeddedNode(config, logger)
      logger.info(
        `Embedded node is up. Event store: ${nodeUrl(node.address, config.nodeSecurity?.tls !== undefined)} Log: ${config.dataDir}`,
      )
      return node
    })
  })

addLogCommands(node, print, interrupted)
addHashPassword(node, print)

program
  .command('rebuild')
  .description('replay the log into a new read model and swap it in; a running service takes it up')
  .action(() =>
    withEventStore(async (log, config) => {
      prepareDataDir(config.dataDir)
      const dir = readModelDir(config)
      const { file, events, position } = await withProgress((onProgress) =>
        rebuild({ log, dir, projections, onProgress, signal: interrupted() }),
      )
      print(`Rebuilt from ${count(events)} events up to position ${position}: ${file}`)
    }),
  )

program
  .command('status')
  .description('show positions, lag, counts and parked events; exit code 1 where something is wrong')
  .action(() =>
    withEventStore(async (log, config) => {
      const { lines, isHealthy } = await statusReport(log, config)
      print(lines.join('\n'))
      process.exitCode = isHealthy ? 0 : EXIT_FAILURE
    }),
  )

program
  .command('verify')
  .description('replay the log into a scratch file and compare it with the read model; exit code 1 where they differ')
  .action(() =>
    withEventStore(async (log, config) => {
      const dir = readModelDir(config)
      const { file, events, position, differenceCount, differences } = await withProgress((onProgress) =>
        verify({ log, dir, projections, onProgress, signal: interrupted() }),
      )
      print(`Replayed ${count(events)} events up to position ${position} and compared them with ${file}`)
      for (const difference of differences) print(describe(difference))
      print(differenceCount === 0 ? 'No differences.' : `${count(differenceCount)} differences.`)
      process.exitCode = differenceCount === 0 ? 0 : EXIT_FAILURE
    }),
  )

try {
  await program.parseAsync()
  // The client of EventStoreDB keeps its connections open, and them the process.
  process.exit()
} catch (thrown) {
  const { message, hint, exitCode } = explained(thrown)
  process.stderr.write(`rollbook: ${message}\n${hint === undefined ? '' : `hint: ${hint}\n`}`)
  process.exit(exitCode)
}

/** Options of the node command, by the names of the variables that they take the place of. */
function variablesOf(options: Readonly<Record<string, string>>): Record<string, string> {
  const given = Object.entries(options).map(([option, value]) => {
    const name = option.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()
    return [name === 'DATA_DIR' ? name : `EMBEDDED_NODE_${name}`, value]
  })
  return Object.fromEntries(given)
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

/** Aborted by the first SIGINT or SIGTERM, so that what was begun can be cleaned up. */
function interrupted(): AbortSignal {
  const controller = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => controller.abort(new Error(`interrupted by ${signal}`)))
  }
  return controller.signal
}

interface Running {
  readonly failed: Promise<Error>
  close(): Promise<void>
}

/** Runs until the first SIGTERM or SIGINT, then ends with 0; a second signal ends the process at once. */
async function runUntilStopped(
  config: Config,
  start: (logger: Logger, stop: AbortSignal) => Promise<Running>,
): Promise<never> {
  const logger = loggerOf(config)
  // The client of EventStoreDB rejects promises that nobody can hold when a connection breaks at the wrong moment.
  process.on('unhandledRejection', (reason) => logger.error({ err: reason }, 'unhandled rejection'))
  process.on('uncaughtException', (error) => {
    logger.fatal({ err: error }, 'unexpected error, the process ends')
    process.exit(EXIT_FAILURE)
  })
  const stop = stopSignal(config, logger)
  const running = await start(logger, stop).catch((error: unknown) => {
    if (!stop.aborted) throw error
    return undefined
  })
  const failure = stop.aborted ? undefined : await Promise.race([running?.failed, aborted(stop)])
  const isFailure = failure !== undefined && !(failure instanceof NodeShutDown)
  if (isFailure) logger.fatal({ err: failure }, 'the event store has failed')
  else if (failure) logger.info(failure.message)
  if (failure) limitShutdown(logger)
  await running?.close()
  logger.info('stopped')
  process.exit(isFailure ? EXIT_FAILURE : 0)
}

/** Aborted by the first signal, from which on the time for the shutdown runs. */
function stopSignal({ underNpm }: Config, logger: Logger): AbortSignal {
  const controller = new AbortController()
  let first: number | undefined
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (first !== undefined) {
        if (!underNpm || performance.now() - first > ECHO) process.exit(EXIT_FAILURE)
        return
      }
      first = performance.now()
      logger.info(`${signal}: stopping`)
      limitShutdown(logger)
      controller.abort(new Error(`stopped by ${signal}`))
    })
  }
  return controller.signal
}

function aborted(signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(undefined)))
}

function limitShutdown(logger: Logger): void {
  setTimeout(() => {
    logger.error(`not stopped after ${SHUTDOWN} ms`)
    process.exit(EXIT_FAILURE)
  }, SHUTDOWN)
}
