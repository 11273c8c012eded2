import { z } from 'zod'
import { LINK, linkTarget } from '../links.ts'
import type { Message } from './consumer.ts'

const correlated = z.object({ $correlationId: z.string() })

/** The stream where the event was written; of a link that is not resolved, the stream that it points to. */
export function streamOf({ event, original }: Message): string {
  const record = event ?? original
  const target = record.type === LINK ? linkTarget(record) : undefined
  return target?.stream ?? record.stream
}

/** The `$correlationId` of the event's metadata, where that is a JSON object and has one. */
export function correlationOf({ event, original }: Message): string | undefined {
  const { metadata } = event ?? original
  if (!metadata.includes('$correlationId')) return undefined
  try {
    return correlated.safeParse(JSON.parse(metadata.toString('utf8'))).data?.$correlationId
  } catch {
    return undefined
  }
}
