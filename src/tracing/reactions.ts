import { SpanKind, type Tracer } from '@opentelemetry/api'
import type { Reaction } from '../cqrs/reaction.ts'
import { attributesOf, contextOf, inSpan, nameOf } from './spans.ts'

const REACTION = 'rollbook.reaction'

/** An event that carries no `traceparent` begins a trace of its own: what is done about it is done now. */
export function tracedReaction(tracer: Tracer, reaction: Reaction): Reaction {
  return {
    ...reaction,
    react(event, signal) {
      const parent = contextOf(event)
      const attributes = { ...attributesOf(event, 'react'), [REACTION]: reaction.name }
      const span = tracer.startSpan(nameOf('react', event.stream), { kind: SpanKind.CONSUMER, attributes }, parent)
      return inSpan(span, parent, () => reaction.react(event, signal))
    },
  }
}
