/** What is said of every problem of one type (RFC 9457). */
export interface ProblemFacts {
  readonly status: number
  /** Last segment of the type's URI, `/problems/<slug>`. Stable: clients decide by it. */
  readonly slug: string
  readonly title: string
  readonly headers?: Readonly<Record<string, string>>
  /** Fields of the error that become extension members of the problem. */
  readonly extensions?: readonly string[]
  /** Said instead of the error's message. */
  readonly detail?: string
}

/** Problem facts by the name of the error class that stands for them. */
export type Problems = Readonly<Record<string, ProblemFacts>>

/** A problem that HTTP itself finds with a request, such as a path that does not exist. */
export class HttpProblem extends Error {
  override readonly name = 'HttpProblem'
  readonly slug: HttpProblemSlug
  readonly headers: Readonly<Record<string, string>>

  constructor(slug: HttpProblemSlug, detail: string, headers: Readonly<Record<string, string>> = {}) {
    super(detail)
    this.slug = slug
    this.headers = headers
  }
}

type HttpProblemSlug = keyof typeof httpProblems

const httpProblems = {
  'bad-request': { status: 400, title: 'Bad request' },
  'malformed-json': { status: 400, title: 'Malformed JSON' },
  'malformed-consistency-token': { status: 400, title: 'Malformed Consistency-Token' },
  'not-found': { status: 404, title: 'Not found' },
  'method-not-allowed': { status: 405, title: 'Method not allowed' },
  'request-timeout': { status: 408, title: 'Request timeout' },
  'content-too-large': { status: 413, title: 'Content too large' },
  'uri-too-long': { status: 414, title: 'URI too long' },
  'unsupported-media-type': { status: 415, title: 'Unsupported media type' },
  'expectation-failed': { status: 417, title: 'Expectation failed' },
  'headers-too-large': { status: 431, title: 'Request header fields too large' },
  'internal-error': { status: 500, title: 'Internal error' },
  'not-implemented': { status: 501, title: 'Not implemented' },
  'too-many-connections': { status: 503, title: 'Too many connections' },
  'read-model-behind': { status: 503, title: 'Read model behind' },
} as const

/** Errors of the kit and of the read model that any route may meet. */
const kitProblems: Problems = {
  StoreUnavailable: {
    status: 503,
    slug: 'event-store-unavailable',
    title: 'Event store unavailable',
    headers: { 'Retry-After': '2' },
    extensions: ['outcome'],
    detail:
      'The event store could not be reached or did not answer in time. The outcome of a command may be unknown: ' +
      'send it again with the same Idempotency-Key, which makes the retry safe.',
  },
  Overloaded: {
    status: 503,
    slug: 'overloaded',
    title: 'Overloaded',
    headers: { 'Retry-After': '1' },
    extensions: ['outcome'],
    detail: 'As many commands are running as may. This one was not begun: send it again later.',
  },
  ReadModelNotReady: {
    status: 503,
    slug: 'read-model-not-ready',
    title: 'Read model not ready',
    headers: { 'Retry-After': '2' },
    detail: 'Queries cannot be answered now, because the read model is not ready. GET /health/ready says why.',
  },
}

export interface Problem {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  /** The problem details object, without the members that only one request knows. */
  readonly details: Readonly<Record<string, unknown>> & { readonly title: string }
}

/** The problem that an error stands for; an internal error, which tells nothing of its cause, where it is none. */
export function problemOf(error: Error, modules: Problems): Problem {
  if (error instanceof HttpProblem) {
    const { status, title } = httpProblems[error.slug]
    return problem({ status, slug: error.slug, title, headers: error.headers }, error.message, {})
  }
  const facts = factsOf(error, modules)
  if (!facts) {
    const { status, title } = httpProblems['internal-error']
    return problem({ status, slug: 'internal-error', title }, 'Something went wrong inside. It has been logged.', {})
  }
  const extensions = (facts.extensions ?? []).map((field) => [field, Reflect.get(error, field)])
  return problem(facts, facts.detail ?? sentence(error.message), Object.fromEntries(extensions))
}

/** Every problem type there is, for their pages. */
export function allProblems(modules: Problems): ProblemFacts[] {
  const ofHttp = Object.entries(httpProblems).map(([slug, facts]) => ({ slug, ...facts }))
  return [...ofHttp, ...Object.values(kitProblems), ...Object.values(modules)]
}

function factsOf(error: Error, modules: Problems): ProblemFacts | undefined {
  if (Object.hasOwn(modules, error.name)) return modules[error.name]
  return Object.hasOwn(kitProblems, error.name) ? kitProblems[error.name] : undefined
}

function problem(facts: ProblemFacts, detail: string, extensions: Readonly<Record<string, unknown>>): Problem {
  const { status, slug, title, headers = {} } = facts
  return { status, headers, details: { type: `/problems/${slug}`, title, status, detail, ...extensions } }
}

function sentence(message: string): string {
  return `${message.charAt(0).toUpperCase()}${message.slice(1)}.`
}
