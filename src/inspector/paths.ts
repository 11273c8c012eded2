import type { EventNumber } from '../cqrs/event.ts'
import type { StreamPlace } from '../cqrs/store-explorer.ts'

// Names of streams are in the query: as a segment of a path, `..` would be taken for another page.

export const paths = {
  streams: '/inspector',
  stream: '/inspector/stream',
  event: '/inspector/event',
  log: '/inspector/all',
  live: '/inspector/all/live',
  readModel: '/inspector/read-model',
  replay: '/inspector/read-model/replay',
  groups: '/inspector/groups',
  style: '/inspector/style.css',
  script: '/inspector/live.js',
} as const

export function streamHref(name: string, from: StreamPlace = 'newest'): string {
  return href(paths.stream, { name, ...(from !== 'newest' && from) })
}

/** That of the stream where the event has no number that can be asked for: it is the one that tombstones the stream. */
export function eventHref(stream: string, number: EventNumber): string {
  if (!Number.isSafeInteger(number)) return streamHref(stream)
  return href(paths.event, { stream, number })
}

export function href(path: string, parameters: Readonly<Record<string, string | number | undefined>>): string {
  const given = Object.entries(parameters).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, String(value)]],
  )
  return given.length === 0 ? path : `${path}?${new URLSearchParams(given)}`
}
