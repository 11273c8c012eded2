/** Another process (or another node of this one) owns the log. `address` is where it listens, when it has said so. */
export class LogInUse extends Error {
  override readonly name = 'LogInUse'
  readonly file: string
  readonly address: string | undefined

  constructor(file: string, address: string | undefined) {
    super(`${file} is in use by another node${address === undefined ? '' : `, which listens on ${address}`}`)
    this.file = file
    this.address = address
  }
}

/** The file is a database, but not a log of a format this version writes. It was not touched. */
export class UnknownLogFormat extends Error {
  override readonly name = 'UnknownLogFormat'
  readonly file: string
  readonly found: string
  readonly supported: string

  constructor(file: string, found: string, supported: string) {
    super(`${file} has the log format ${found}; this version reads ${supported} only. The file was left untouched`)
    this.file = file
    this.found = found
    this.supported = supported
  }
}

/** The log is damaged. Nothing was repaired and nothing was dropped. */
export class CorruptLog extends Error {
  override readonly name = 'CorruptLog'
  readonly file: string
  readonly detail: string

  constructor(file: string, detail: string) {
    super(`${file} is damaged: ${detail}. Nothing was changed; restore it from a backup`)
    this.file = file
    this.detail = detail
  }
}

/** The log cannot be written: `code` is the system's or SQLite's, such as EACCES, ENOSPC or SQLITE_FULL. */
export class LogNotWritable extends Error {
  override readonly name = 'LogNotWritable'
  readonly file: string
  readonly code: string
  readonly reason: string

  constructor(file: string, code: string, reason: string) {
    super(`${file} cannot be written: ${reason}`)
    this.file = file
    this.code = code
    this.reason = reason
  }
}

/** The log was closed to go on with a smaller copy of it, and cannot be opened again: the node has to end. Nothing is lost. */
export class LogClosed extends Error {
  override readonly name = 'LogClosed'
  readonly file: string

  constructor(file: string, cause: unknown) {
    super(`${file} cannot be opened again: ${cause instanceof Error ? cause.message : cause}`, { cause })
    this.file = file
  }
}

/** A client has shut the node down (`Operations.Shutdown`). It has closed its log. */
export class NodeShutDown extends Error {
  override readonly name = 'NodeShutDown'

  constructor() {
    super('A client has shut the node down')
  }
}

/** Another program listens on `host`:`port`. */
export class PortInUse extends Error {
  override readonly name = 'PortInUse'
  readonly port: number
  readonly host: string

  constructor(port: number, host = '127.0.0.1') {
    super(`Port ${port} of ${host} is in use by another program`)
    this.port = port
    this.host = host
  }
}

/** The host is none of this machine's, or the port is none that this user may open. */
export class CannotListenOn extends Error {
  override readonly name = 'CannotListenOn'
  readonly host: string
  readonly port: number
  readonly reason: string

  constructor(host: string, port: number, reason: string) {
    super(`It is not possible to listen on port ${port} of ${host}: ${reason}`)
    this.host = host
    this.port = port
    this.reason = reason
  }
}
