import { context, type Tracer } from '@opentelemetry/api'
import type { Admission } from '../cqrs/command-limit.ts'
import { inSpan } from './spans.ts'

/** From the moment that a command asks for admission. One that is refused, be it by the domain, is a span with an error. */
export function tracedAdmission(tracer: Tracer, name: string, admit: Admission): Admission {
  return (command) => {
    const parent = context.active()
    return inSpan(tracer.startSpan(name, {}, parent), parent, () => admit(command))
  }
}
