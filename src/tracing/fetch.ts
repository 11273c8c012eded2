import { context, SpanKind, type Tracer, trace } from '@opentelemetry/api'
import {
  ATTR_HTTP_REQUEST_METHOD,
  ATTR_HTTP_RESPONSE_STATUS_CODE,
  ATTR_SERVER_ADDRESS,
  ATTR_SERVER_PORT,
} from '@opentelemetry/semantic-conventions'
import { failed, inSpan, traceparentOf } from './spans.ts'

/**
 * By the conventions for HTTP clients (https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-client), but
 * without the URL: that of a webhook may be a secret.
 */
export function tracedFetch(tracer: Tracer) {
  return (url: string, init: RequestInit): Promise<Response> => {
    const { hostname, port, protocol } = new URL(url)
    const { method = 'GET' } = init
    const attributes = {
      [ATTR_HTTP_REQUEST_METHOD]: method,
      [ATTR_SERVER_ADDRESS]: hostname,
      [ATTR_SERVER_PORT]: Number(port) || (protocol === 'https:' ? 443 : 80),
    }
    const parent = context.active()
    const span = tracer.startSpan(method, { kind: SpanKind.CLIENT, attributes }, parent)
    const headers = new Headers(init.headers)
    const cause = traceparentOf(trace.setSpan(parent, span))
    if (cause) headers.set('traceparent', cause.traceparent)
    return inSpan(span, parent, async () => {
      const response = await fetch(url, { ...init, headers })
      span.setAttribute(ATTR_HTTP_RESPONSE_STATUS_CODE, response.status)
      if (response.status >= 400) failed(span, String(response.status))
      return response
    })
  }
}
