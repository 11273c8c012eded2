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

/** Another program listens on 127.0.0.1:`port`. */
export class PortInUse extends Error {
  override readonly name = 'PortInUse'
  readonly port: number

  constructor(port: number) {
    super(`Port ${port} of 127.0.0.1 is in use by another program`)
    this.port = port
  }
}
