import type { RecordedEvent } from './event.ts'

/** The correlation id that was stored with an event; undefined where there is none, or none that is text. */
export function correlationIdOf({ metadata }: Pick<RecordedEvent, 'metadata'>): string | undefined {
  if (typeof metadata !== 'object' || metadata === null || !('correlationId' in metadata)) return undefined
  return typeof metadata.correlationId === 'string' ? metadata.correlationId : undefined
}
