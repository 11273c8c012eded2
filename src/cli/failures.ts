import { ConfigError } from '../config.ts'
import { StoreUnavailable } from '../cqrs/event-store.ts'
import {
  CannotListenOn,
  CorruptLog,
  LogInUse,
  LogNotWritable,
  PortInUse,
  UnknownLogFormat,
} from '../embedded-node/errors.ts'
import { UnsafeAddress, UnusableTlsFile, UnusableUsersFile, UsersWithoutTls } from '../embedded-node/security-errors.ts'
import { type Refusal, refusalOf } from '../eventstoredb/refusal.ts'
import { CannotListen } from '../http/server.ts'
import { UnusableReactionFile } from '../reactions/sqlite-reaction-store.ts'
import { UnusableFile } from '../read-model/file.ts'
import { RebuildInProgress } from '../read-model/generations.ts'
import { StoreReplaced } from '../read-model/projector.ts'
import { NoEventStore, UnusableDataDir } from './data-dir.ts'

/** A kind of failure that a command ends with. */
export interface Failure {
  readonly exitCode: number
  readonly what: string
  /** What to do; undefined where each message says it. */
  readonly hint?: string
  is(error: unknown): boolean
}

/**
 * Every kind, for scripts and supervisors to tell by its exit code, which stays what it is. From 10 on is what may pass
 * by itself, so that the same command may be tried again; from 20 on, what a person is to look at, on this machine; from
 * 30 on, an event store that answers and refuses. They are of our own, because sysexits.h (64 to 78) has one code for
 * many of these, and stay clear of the shells' (126 and above) and systemd's (200 and above).
 *
 * An error is of the first kind that it fits; docs/operations.md has the same table.
 */
export const failures: readonly Failure[] = [
  {
    exitCode: 2,
    what: 'wrong call or configuration',
    is: (error) => usageErrors.some((kind) => error instanceof kind) || (isListening(error) && !isPortInUse(error)),
  },
  {
    exitCode: 3,
    what: 'damaged log',
    hint: '`rollbook node check` names all that is damaged. Restore the log from a backup: see docs/operations.md.',
    is: (error) => error instanceof CorruptLog,
  },
  {
    exitCode: 10,
    what: 'port in use',
    hint: 'Stop the other program, or set the variable to another port; 0 picks a free one.',
    is: isPortInUse,
  },
  {
    exitCode: 11,
    what: 'log in use by another process',
    hint: 'A log has one process. Stop that one, connect to it with EVENTSTORE_URL, or give this one another DATA_DIR.',
    is: (error) => error instanceof LogInUse,
  },
  {
    exitCode: 12,
    what: 'rebuild in progress',
    hint: 'Wait until the other process has built it.',
    is: (error) => error instanceof RebuildInProgress,
  },
  {
    exitCode: 13,
    what: 'disk full',
    hint: 'Make room on the disk of DATA_DIR. Nothing that was acknowledged is lost.',
    is: (error) => codesOf(error).some((code) => /^(ENOSPC|EDQUOT|SQLITE_FULL|SQLITE_IOERR_SHMSIZE)$/.test(code)),
  },
  {
    exitCode: 20,
    what: 'data directory not writable',
    hint: 'Let the user that runs Rollbook write the folder and every file in it, or set DATA_DIR to another folder.',
    is: (error) =>
      error instanceof UnusableDataDir ||
      error instanceof LogNotWritable ||
      codesOf(error).some((code) => /^(EACCES|EPERM|EROFS|SQLITE_READONLY|SQLITE_CANTOPEN)/.test(code)),
  },
  {
    exitCode: 21,
    what: 'log of another format',
    hint: 'Run the version of Rollbook that wrote the log, or a newer one; or set DATA_DIR to another folder.',
    is: (error) => error instanceof UnknownLogFormat,
  },
  {
    exitCode: 22,
    what: 'no read model of this version',
    hint: 'Start the service or run `rollbook rebuild`: both make it from the log.',
    is: (error) => error instanceof UnusableFile,
  },
  {
    exitCode: 23,
    what: 'unusable file of reactions',
    hint: 'It says what was delivered. Run the version that wrote it or restore it from a backup; without it, reactions start from now.',
    is: (error) => error instanceof UnusableReactionFile,
  },
  {
    exitCode: 24,
    what: 'no event store yet',
    hint: 'Set DATA_DIR to the folder of the service, or EVENTSTORE_URL.',
    is: (error) => error instanceof NoEventStore,
  },
  refused('other-server', {
    exitCode: 30,
    what: 'what answers is no EventStoreDB',
    hint: 'Set EVENTSTORE_URL to the gRPC port of an EventStoreDB 23.10 or newer, 2113 by default.',
  }),
  refused('old-server', {
    exitCode: 31,
    what: 'EventStoreDB is too old',
    hint: 'Upgrade it to 23.10 or newer.',
  }),
  refused('certificate', {
    exitCode: 32,
    what: 'certificate of the event store not trusted',
    hint: 'Name the authority that signed it with tlsCAFile=/path in EVENTSTORE_URL, and the server as its certificate does.',
  }),
  refused('no-tls', {
    exitCode: 33,
    what: 'event store without TLS',
    hint: 'Add tls=false to EVENTSTORE_URL if that is meant to be.',
  }),
  refused('credentials', {
    exitCode: 34,
    what: 'user or password not known to the event store',
    hint: 'Set user and password in EVENTSTORE_URL; percent-encode each : / ? @ in them.',
  }),
  refused('rights', {
    exitCode: 35,
    what: 'access denied by the event store',
    hint: 'The user in EVENTSTORE_URL must be allowed to read $all and to append: see docs/operations.md.',
  }),
  {
    exitCode: 36,
    what: 'event store replaced',
    hint: 'Check EVENTSTORE_URL and DATA_DIR. If the event store was restored on purpose, run `rollbook rebuild`.',
    is: (error) => error instanceof StoreReplaced,
  },
  {
    exitCode: 14,
    what: 'event store away',
    hint: 'Is it running, and does EVENTSTORE_URL have its host, its port and its tls setting?',
    is: (error) => error instanceof StoreUnavailable,
  },
  { exitCode: 1, what: 'any other failure; a check that found something', is: () => true },
]

const usageErrors = [ConfigError, UnsafeAddress, UnusableTlsFile, UnusableUsersFile, UsersWithoutTls, CannotListenOn]

function isListening(error: unknown): error is CannotListen {
  return error instanceof CannotListen
}

function isPortInUse(error: unknown): boolean {
  return error instanceof PortInUse || (isListening(error) && error.code === 'EADDRINUSE')
}

function refused(refusal: Refusal, failure: Omit<Failure, 'is'>): Failure {
  return { ...failure, is: (error) => refusalOf(error) === refusal }
}

/** Of the error and of what it was caused by. */
function codesOf(error: unknown): string[] {
  if (!(error instanceof Error)) return []
  const own = 'code' in error && typeof error.code === 'string' ? [error.code] : []
  return [...own, ...codesOf(error.cause)]
}
