import type { EventNumber } from '../cqrs/event.ts'
import type { ExploredEvent, StoreExplorer, StreamPlace } from '../cqrs/store-explorer.ts'
import { EventArticle, Relatives } from './event-article.tsx'
import { Name } from './layout.tsx'
import { streamHref } from './paths.ts'
import type { Landing } from './ports.ts'
import { visible } from './print.ts'

/** Events on a page. */
const PAGE = 20

/** Characters of an event's data: on a page with others, and on its own. */
const EXCERPT = 4_000
const WHOLE = 1_000_000

export interface StreamPageContent {
  /** Newest first. */
  readonly events: readonly ExploredEvent[]
  readonly older: EventNumber | undefined
  readonly newer: EventNumber | undefined
}

/**
 * @throws {StoreUnavailable}
 * @throws {NotReadable}
 */
export async function readPage(
  store: Pick<StoreExplorer, 'streamPage'>,
  stream: string,
  from: StreamPlace,
): Promise<StreamPageContent> {
  // One more than is shown tells whether there is another page.
  const found = await store.streamPage(stream, from, PAGE + 1)
  const goesUp = from !== 'newest' && 'after' in from
  const events = goesUp ? found.slice(-PAGE) : found.slice(0, PAGE)
  const hasMore = found.length > PAGE
  const first = numberOf(events[0])
  const last = numberOf(events.at(-1))
  return {
    events,
    // Where one came from, there are others; before the first event there are none.
    older: (goesUp || hasMore) && last !== undefined && last > 1 ? last : undefined,
    newer: (goesUp ? hasMore : from !== 'newest') ? first : undefined,
  }
}

const numberOf = (explored: ExploredEvent | undefined) => (explored?.link ?? explored?.event)?.number

interface StreamPageProps {
  readonly stream: string
  readonly from: StreamPlace
  readonly content: StreamPageContent
  /** By the place of the event on the page; undefined where the read model cannot be asked. */
  readonly landings: readonly (Landing | undefined)[]
}

export function StreamPage({ stream, from, content, landings }: StreamPageProps) {
  const { events, older, newer } = content
  const pager = (label: string) => <Pager {...{ stream, from, older, newer, label }} />
  return (
    <>
      <h1 class="name">
        <bdi>{visible(stream)}</bdi>
      </h1>
      <Relatives stream={stream} />
      {events.length === 0 ? <Nothing stream={stream} from={from} /> : pager('Pages')}
      {events.map((explored, index) => (
        <EventArticle {...explored} landing={landings[index]} maxLength={EXCERPT} />
      ))}
      {events.length > 3 ? pager('Pages, again') : null}
    </>
  )
}

function Nothing({ stream, from }: { readonly stream: string; readonly from: StreamPlace }) {
  return from === 'newest' ? (
    <p>There is no event to be read: the stream was never written to, was deleted, or its events were truncated.</p>
  ) : (
    <p>
      There are no events here. <a href={streamHref(stream)}>The newest of the stream</a>
    </p>
  )
}

interface PagerProps extends Omit<StreamPageContent, 'events'> {
  readonly stream: string
  readonly from: StreamPlace
  readonly label: string
}

function Pager({ stream, from, older, newer, label }: PagerProps) {
  if (older === undefined && newer === undefined && from === 'newest') return null
  const to = (text: string, place: StreamPlace | undefined, rel?: string) =>
    place === undefined ? (
      <span class="quiet">{text}</span>
    ) : (
      <a href={streamHref(stream, place)} rel={rel}>
        {text}
      </a>
    )
  return (
    <nav class="pager" aria-label={label}>
      {to('Newest', from === 'newest' ? undefined : 'newest')}
      {to('Newer', newer === undefined ? undefined : { after: newer }, 'prev')}
      {to('Older', older === undefined ? undefined : { before: older }, 'next')}
      {to('Oldest', older === undefined ? undefined : { after: 0 })}
    </nav>
  )
}

interface EventPageProps extends ExploredEvent {
  readonly stream: string
  readonly number: EventNumber
  readonly landing: Landing | undefined
}

/** One event, with all of its data. */
export function EventPage({ stream, number, event, link, landing }: EventPageProps) {
  return (
    <>
      <h1>
        Event {number} of <Name name={stream} href={streamHref(stream, { before: number + 1 })} />
      </h1>
      {event || link ? (
        <EventArticle {...{ event, link, landing }} maxLength={WHOLE} isOpen />
      ) : (
        <p>There is no such event to be read: it never was, was deleted, or was truncated.</p>
      )}
      <nav class="pager" aria-label="Neighbours">
        <a href={streamHref(stream, { after: number })}>Newer events</a>
        <a href={streamHref(stream, { before: number })}>Older events</a>
      </nav>
    </>
  )
}
