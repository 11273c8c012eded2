import type { RecordedEvent } from '../cqrs/event.ts'
import type { ExploredEvent } from '../cqrs/store-explorer.ts'
import { Name, numberText, Time } from './layout.tsx'
import { eventHref, streamHref } from './paths.ts'
import type { Landing, Row } from './ports.ts'
import { print, visible } from './print.ts'

interface EventArticleProps extends ExploredEvent {
  /** Undefined where the read model cannot be asked now. */
  readonly landing: Landing | undefined
  /** Most characters of data that are shown, and of metadata. */
  readonly maxLength: number
  /** Whether its metadata and rows are shown at once. */
  readonly isOpen?: boolean
}

/** An event as the stream has it: itself, or a link and what it leads to. */
export function EventArticle({ event, link, landing, maxLength, isOpen = false }: EventArticleProps) {
  const shown = link ?? event
  if (!shown) return null
  return (
    <article>
      <header>
        <h2>
          <a class="number" href={eventHref(shown.stream, shown.number)}>
            {numberText(shown.number)}
          </a>{' '}
          <bdi class="type">{visible(event?.type ?? shown.type)}</bdi>
        </h2>
        <p class="facts">
          <Time at={shown.created} />
          <span>
            position <span class="number">{shown.position}</span>
          </span>
          {event ? <LandingBadge landing={landing} /> : null}
        </p>
      </header>
      {link ? <Followed {...{ link, event, maxLength, isOpen }} /> : null}
      {landing?.kind === 'parked' ? (
        <p class="error">
          Parked: <bdi>{visible(landing.error)}</bdi>
        </p>
      ) : null}
      <Data event={event ?? shown} {...{ maxLength, isOpen }} />
      {landing?.kind === 'applied' ? landing.rows.map((row) => <RowTable {...{ row, isOpen }} />) : null}
    </article>
  )
}

interface FollowedProps extends Required<Pick<EventArticleProps, 'maxLength' | 'isOpen'>> {
  readonly link: RecordedEvent
  readonly event: RecordedEvent | undefined
}

function Followed({ link, event, maxLength, isOpen }: FollowedProps) {
  return (
    <>
      <p class="link">
        {event ? (
          <>
            Link to event {event.number} of <Name name={event.stream} href={eventHref(event.stream, event.number)} />
          </>
        ) : (
          <>
            Link to <bdi class="name">{print(link.data, 1_100).text}</bdi>, which cannot be read: it was deleted, or its
            stream was truncated.
          </>
        )}
      </p>
      {event ? (
        <details open={isOpen}>
          <summary>Metadata and id of the link</summary>
          <About event={link} maxLength={maxLength} />
        </details>
      ) : null}
    </>
  )
}

interface DataProps extends Required<Pick<EventArticleProps, 'maxLength' | 'isOpen'>> {
  readonly event: RecordedEvent
}

function Data({ event, maxLength, isOpen }: DataProps) {
  const { stream, number, data, metadata } = event
  const printed = print(data, maxLength)
  const isCut = printed.isCut || print(metadata, maxLength).isCut
  const isEmpty = data instanceof Uint8Array && data.length === 0
  return (
    <>
      {isEmpty ? <p class="quiet">No data.</p> : <pre class={printed.kind}>{printed.text}</pre>}
      {isCut ? (
        <p class="quiet">
          Not all is shown. <a href={eventHref(stream, number)}>The event on its own</a>
        </p>
      ) : null}
      <details open={isOpen}>
        <summary>Metadata and id</summary>
        <About event={event} maxLength={maxLength} />
      </details>
    </>
  )
}

function About({ event: { id, data, metadata }, maxLength }: Pick<DataProps, 'event' | 'maxLength'>) {
  const printed = metadata === undefined ? undefined : print(metadata, maxLength)
  return (
    <>
      {printed ? <pre class={printed.kind}>{printed.text}</pre> : <p class="quiet">No metadata.</p>}
      <p class="quiet">
        Event id <span class="name">{id}</span>
        {data instanceof Uint8Array ? `, ${data.length.toLocaleString('en')} bytes that are not JSON` : ''}
      </p>
    </>
  )
}

const badges = {
  applied: ['applied', 'in the read model'],
  parked: ['parked', 'parked'],
  pending: ['pending', 'not applied yet'],
  unused: ['unused', 'no projection uses it'],
} as const

function LandingBadge({ landing }: { readonly landing: Landing | undefined }) {
  if (!landing) return <span class="badge unused">the read model is not ready</span>
  const [kind, text] = badges[landing.kind]
  return <span class={`badge ${kind}`}>{text}</span>
}

function RowTable({ row: { table, columns }, isOpen }: { readonly row: Row; readonly isOpen: boolean }) {
  return (
    <details open={isOpen}>
      <summary>
        Row of <code>{table}</code>
      </summary>
      <dl>
        {Object.entries(columns).map(([column, value]) => (
          <div>
            <dt>{column}</dt>
            <dd>
              <bdi>{print(value, 1_000).text}</bdi>
            </dd>
          </div>
        ))}
      </dl>
    </details>
  )
}

/** The parts of a stream's page that lead to streams about it. */
export function Relatives({ stream }: { readonly stream: string }) {
  const dash = stream.indexOf('-')
  const category = !stream.startsWith('$') && dash > 0 ? `$ce-${stream.slice(0, dash)}` : undefined
  return (
    <p class="relatives">
      {stream.startsWith('$$') ? (
        <a href={streamHref(stream.slice(2))}>The stream itself</a>
      ) : (
        <a href={streamHref(`$$${stream}`)}>Metadata of the stream</a>
      )}
      {category === undefined ? null : (
        <a href={streamHref(category)}>
          Category <bdi class="name">{visible(category)}</bdi>
        </a>
      )}
    </p>
  )
}
