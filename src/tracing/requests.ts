import { type Attributes, context, propagation, ROOT_CONTEXT, SpanKind, type Tracer, trace } from '@opentelemetry/api'
import {
  ATTR_EXCEPTION_STACKTRACE,
  ATTR_EXCEPTION_TYPE,
  ATTR_HTTP_REQUEST_METHOD,
  ATTR_HTTP_RESPONSE_HEADER,
  ATTR_HTTP_RESPONSE_STATUS_CODE,
  ATTR_HTTP_ROUTE,
  ATTR_URL_SCHEME,
} from '@opentelemetry/semantic-conventions'
import type { Env, Hono } from 'hono'
import { failed } from './spans.ts'

/** Asked every few seconds by machines, and of no use in traces. */
const UNTRACED = /^\/(health\/|metrics$)/

/** Methods that a name may be made of: else whoever sends requests could make as many names as they like. */
const METHODS = ['CONNECT', 'DELETE', 'GET', 'HEAD', 'OPTIONS', 'PATCH', 'POST', 'PUT', 'QUERY', 'TRACE']

/**
 * By the conventions for HTTP servers (https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-server), but
 * without path and query: they may hold an email. The route tells enough of them.
 */
export function tracedRequests<E extends Env>(tracer: Tracer, app: Hono<E>) {
  return {
    fetch(request: Request): Response | Promise<Response> {
      const path = app.getPath(request)
      if (UNTRACED.test(path)) return app.fetch(request)
      const route = routeOf(app, request.method, path)
      const method = METHODS.includes(request.method) ? request.method : '_OTHER'
      const attributes: Attributes = {
        [ATTR_HTTP_REQUEST_METHOD]: method,
        [ATTR_URL_SCHEME]: 'http',
        ...(route !== undefined && { [ATTR_HTTP_ROUTE]: route }),
      }
      const name = [method === '_OTHER' ? 'HTTP' : method, ...(route === undefined ? [] : [route])].join(' ')
      const parent = propagation.extract(ROOT_CONTEXT, request.headers, fields)
      const span = tracer.startSpan(name, { kind: SpanKind.SERVER, attributes }, parent)
      const answered = (response: Response) => {
        const { status, headers } = response
        span.setAttribute(ATTR_HTTP_RESPONSE_STATUS_CODE, status)
        const requestId = headers.get('X-Request-Id')
        // Leads to the line in the log, and to the events, whose correlation it is.
        if (requestId !== null) span.setAttribute(ATTR_HTTP_RESPONSE_HEADER('x-request-id'), [requestId])
        if (status >= 500) failed(span, String(status))
        span.end()
        return response
      }
      const response = context.with(trace.setSpan(parent, span), () => app.fetch(request))
      return response instanceof Promise ? response.then(answered) : answered(response)
    },
  }
}

/** An exception by the conventions (https://opentelemetry.io/docs/specs/semconv/exceptions/), without its message. */
export function requestFailed(error: Error): void {
  trace.getActiveSpan()?.addEvent('exception', {
    [ATTR_EXCEPTION_TYPE]: error.name,
    [ATTR_EXCEPTION_STACKTRACE]: framesOf(error),
  })
}

/** The stack begins with the message, as it was when the error was made. Where it is not found, nothing is told. */
function framesOf({ stack = '', message }: Error): string {
  const start = stack.indexOf(`${message}\n    at `)
  return start === -1 ? '' : stack.slice(start + message.length).trimStart()
}

/** As it was registered, such as `/users/:id`. */
function routeOf<E extends Env>(app: Hono<E>, method: string, path: string): string | undefined {
  const registered = method === 'HEAD' ? 'GET' : method
  const [found] = app.router.match(registered, path)
  return found.find(([[, route]]) => route.method === registered)?.[0][1].path
}

const fields = {
  keys: (headers: Headers) => [...headers.keys()],
  get: (headers: Headers, name: string) => headers.get(name) ?? undefined,
}
