/** What a line of the log may say of an error. */
interface DescribedError {
  readonly type: string
  readonly message: string
  readonly code?: string | number
  /** Where it was thrown, without the message, which V8 puts ahead. */
  readonly stack?: string
  readonly cause?: DescribedError
}

type Facts = Record<string, unknown>

/**
 * The facts of a line of the log as they may be shown. Names of streams have the emails of users, errors name streams
 * and may carry events and parameters of queries. So of a stream only its category is shown, of an error its type,
 * code, message and stack, and of its other fields none. Out of the messages are taken the names of the streams that the
 * line is about, what they quote, and what looks like an email.
 */
export function publicFacts(facts: Facts): Facts {
  const { stream, err, reason } = facts
  const streams = new Set([...namesIn(stream), ...streamsOf(err), ...streamsOf(reason)])
  const clean = (text: string) => withoutEmails(withoutQuotations(withoutStreams(text, streams)))
  return {
    ...facts,
    ...(stream !== undefined && { stream: clean(String(stream)) }),
    ...(err !== undefined && { err: describe(err, clean) }),
    ...(reason !== undefined && { reason: describe(reason, clean).message }),
  }
}

function describe(error: unknown, clean: (text: string) => string): DescribedError {
  if (!(error instanceof Error)) return { type: typeof error, message: typeof error === 'string' ? clean(error) : '…' }
  const { name, cause } = error
  const code = 'code' in error && (typeof error.code === 'string' || typeof error.code === 'number') ? error.code : ''
  const stack = error.stack?.split('\n').filter((line) => /^ {4}at /.test(line))
  return {
    type: name === 'Error' ? error.constructor.name : name,
    message: QUOTING.has(error.constructor.name) ? '…' : clean(error.message),
    ...(code !== '' && { code }),
    ...(stack && stack.length > 0 && { stack: stack.join('\n') }),
    ...(cause instanceof Error && { cause: describe(cause, clean) }),
  }
}

/** Errors whose messages quote what they are about: the text that is no JSON, and the parameters of a query. */
const QUOTING: ReadonlySet<string> = new Set(['SyntaxError', 'DrizzleQueryError'])

/** The names of the streams that an error is about, or one that caused it. Kit, adapter and client keep them in fields. */
function streamsOf(error: unknown): string[] {
  if (!(error instanceof Error)) return []
  const event: unknown = Reflect.get(error, 'event')
  const ofEvent: unknown = typeof event === 'object' && event !== null ? Reflect.get(event, 'stream') : undefined
  const own = [Reflect.get(error, 'stream'), Reflect.get(error, 'streamName'), ofEvent]
  return [...own.flatMap(namesIn), ...streamsOf(error.cause)]
}

function namesIn(stream: unknown): string[] {
  return typeof stream === 'string' && stream !== '' ? [stream] : []
}

/** The longest first: one name may be the beginning of another. */
function withoutStreams(text: string, streams: ReadonlySet<string>): string {
  const names = [...streams].flatMap((stream) => {
    const id = stream.slice(stream.indexOf('-') + 1)
    return [[stream, `${stream.slice(0, stream.length - id.length)}…`] as const, [id, '…'] as const]
  })
  const longestFirst = names.sort(([one], [other]) => other.length - one.length)
  return longestFirst.reduce((shown, [name, cut]) => (name === '' ? shown : shown.replaceAll(name, cut)), text)
}

/** What SQLite found in the text of a search, what is no id, … */
function withoutQuotations(text: string): string {
  return text.replaceAll(/"(?:[^"\\]|\\.)*"/g, '"…"')
}

/** For the messages of others, who need not say in a field what they write into them. */
function withoutEmails(text: string): string {
  return text.replaceAll(/[^\s"'`<>(),;:@]+@[^\s"'`<>(),;:@]+/gu, '…@…')
}
