import { type Context, type Handler, Hono, type Next } from 'hono'
import type { Logger } from 'pino'
import { docsRoutes } from './docs.ts'
import { type HalLink, render } from './hal.ts'
import { type Health, healthRoutes } from './health.ts'
import { readJson } from './json-body.ts'
import { type HttpMetrics, metricsRoutes } from './metrics.ts'
import type { Module, RouteVariables, Variables } from './module.ts'
import { allProblems, HttpProblem, type Problems, problemOf } from './problem.ts'
import { type ReadModelProgress, readYourWrites } from './read-your-writes.ts'
import { requestId } from './request-id.ts'
import { finish, send, sendProblem } from './response.ts'

export interface AppOptions {
  readonly modules: readonly Module[]
  readonly readModel: ReadModelProgress
  readonly health: () => Health
  readonly metrics: HttpMetrics
  readonly logger: Pick<Logger, 'error' | 'warn' | 'debug' | 'isLevelEnabled'>
  /** Told of each error that is answered with a status from 500 on, while its request is under way. */
  readonly onFailure?: (error: Error) => void
}

/** The HTTP API. Every response carries `X-Request-Id`, every error is a problem (RFC 9457). */
export function createApp({
  modules,
  readModel,
  health,
  metrics,
  logger,
  onFailure,
}: AppOptions): Hono<{ Variables: Variables }> {
  const problems: Problems = Object.assign({}, ...modules.map((module) => module.problems))
  const logsRequests = logger.isLevelEnabled('debug')
  const app = new Hono<{ Variables: Variables }>()
  // With the first request for it: most processes are never asked.
  const document = async () => {
    const [{ openApi }, { appReference }] = await Promise.all([import('./openapi.ts'), import('./reference.ts')])
    return openApi([...modules.flatMap(({ reference }) => reference), ...appReference], allProblems(problems))
  }
  // Not as a middleware: that would make each request of a route that answers at once wait for promises.
  const mount = ({ routes }: Hono<{ Variables: RouteVariables }>, hasQueries: boolean) => {
    for (const { method, path, handler } of routes) {
      app.on(method, path, exchange(handler, path, hasQueries && method === 'GET', readModel, end))
    }
  }

  const links = Object.assign({ self: { href: '/' } }, ...modules.map((module) => module.links), serviceLinks)
  mount(indexRoutes(links, problems), false)
  mount(healthRoutes(health), false)
  mount(metricsRoutes(metrics), false)
  mount(docsRoutes(document), false)
  for (const { routes } of modules) mount(routes, true)

  app.notFound((c) => {
    begin(c, undefined)
    const allowed = allowedMethods(app, c.req.path)
    if (allowed.length === 0) return fail(c, notFound(c))
    const headers = { Allow: allowed.join(', ') }
    if (c.req.method === 'OPTIONS') return end(c, finish(c, c.body(null, 204, headers)))
    const detail = `${c.req.method} is not allowed here. Allowed: ${headers.Allow}.`
    return fail(c, new HttpProblem('method-not-allowed', detail, headers))
  })
  app.onError((error, c) => fail(c, error))
  return app

  function end(c: Context<{ Variables: Variables }>, response: Response): Response {
    const { route, at } = c.get('begun')
    const { method } = c.req
    const { status } = response
    const seconds = (performance.now() - at) / 1_000
    metrics.answered(method, route, status, seconds)
    if (logsRequests) {
      logger.debug({ requestId: c.get('requestId'), method, route, status, seconds }, 'a request was answered')
    }
    return response
  }

  function fail(c: Context<{ Variables: Variables }>, error: Error): Response {
    const problem = problemOf(error, problems)
    if (problem.status >= 500) onFailure?.(error)
    // Not the path, which is the client's, and may have an email.
    const facts = { requestId: c.get('requestId'), method: c.req.method, route: c.get('begun').route }
    if (problem.status === 500) logger.error({ ...facts, err: error }, 'a request met an unexpected error')
    // Who refuses commands says so, and not once for each of thousands.
    if (problem.status === 503 && error.name !== 'Overloaded')
      logger.warn({ ...facts, error: error.name }, 'a request could not be served')
    return end(c, sendProblem(c, problem))
  }
}

const serviceLinks = {
  'health-live': { href: '/health/live' },
  'health-ready': { href: '/health/ready' },
  'service-desc': { href: '/openapi.json' },
  'service-doc': { href: '/docs' },
}

function notFound(c: Context): HttpProblem {
  return new HttpProblem('not-found', `There is nothing at ${c.req.path}.`)
}

/** Takes note of an answer. */
type End = (c: Context<{ Variables: Variables }>, response: Response) => Response

/** One request and its answer: what every route has around it. */
function exchange(handler: Handler, route: string, isQuery: boolean, readModel: ReadModelProgress, end: End) {
  return (c: Context<{ Variables: Variables }>, next: Next) => {
    begin(c, route)
    const answered = (response: Response) => end(c, finish(c, response))
    const answer = () => {
      const response = handler(c, next)
      return response instanceof Promise ? response.then(answered) : answered(response)
    }
    const token = c.req.header('Consistency-Token')
    const awaitToken = async () => {
      if (token !== undefined) c.set('appliedWait', await readYourWrites(c.req, token, readModel))
    }
    c.set('awaitToken', awaitToken)
    return isQuery && token !== undefined ? awaitToken().then(answer) : answer()
  }
}

function begin(c: Context<{ Variables: Variables }>, route: string | undefined): void {
  c.set('begun', { route, at: performance.now() })
  c.set('requestId', requestId(c.req.header('X-Request-Id')))
  c.set('readJson', () => readJson(c.req))
  c.set('render', render)
  c.set('send', (representation, status, headers) => send(c, representation, status, headers))
}

/** The HAL root, and a page for every type of problem. */
function indexRoutes(links: Readonly<Record<string, HalLink>>, modules: Problems) {
  return new Hono<{ Variables: RouteVariables }>()
    .get('/', (c) => c.get('send')(render({ _links: links })))
    .get('/problems/:slug', (c) => {
      const facts = allProblems(modules).find(({ slug }) => slug === c.req.param('slug'))
      if (!facts) throw notFound(c)
      const type = `/problems/${facts.slug}`
      const { title, status } = facts
      return c.get('send')(render({ _links: { self: { href: type } }, type, title, status }))
    })
}

/** In the order of their registration; HEAD comes with GET, and OPTIONS is answered everywhere. */
function allowedMethods(app: Hono<{ Variables: Variables }>, path: string): string[] {
  const registered = new Set(app.routes.map(({ method }) => method).filter((method) => method !== 'ALL'))
  const allowed = [...registered].filter((method) =>
    app.router.match(method, path)[0].some(([[, route]]) => route.method === method),
  )
  if (allowed.length === 0) return []
  return [...allowed.flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : [method])), 'OPTIONS']
}
