import type { Position, RecordedEvent } from '../cqrs/event.ts'
import type { StoreExplorer } from '../cqrs/store-explorer.ts'
import { isSystemStream } from './find-streams.ts'
import { counted, Time } from './layout.tsx'
import { rowOf } from './live-response.ts'
import { href, paths } from './paths.ts'

/** Events on a page, and most that are looked through for them. */
const PAGE = 50
const SEARCHED = 1_000

export interface LogPageContent {
  /** Newest first. */
  readonly events: readonly RecordedEvent[]
  /** How many were looked through. */
  readonly searched: number
  /** Where older ones are; undefined at the beginning of the log. */
  readonly older: Position | undefined
}

/**
 * @throws {StoreUnavailable}
 * @throws {NotReadable}
 */
export async function readLog(
  store: Pick<StoreExplorer, 'logBackwards'>,
  before: Position | undefined,
  system: boolean,
): Promise<LogPageContent> {
  const events: RecordedEvent[] = []
  let searched = 0
  for await (const event of store.logBackwards(before, SEARCHED)) {
    searched++
    if (system || !isSystemStream(event.stream)) events.push(event)
    if (events.length === PAGE || searched === SEARCHED) return { events, searched, older: event.position }
  }
  return { events, searched, older: undefined }
}

interface LogPageProps {
  readonly content: LogPageContent
  readonly before: Position | undefined
  readonly system: boolean
}

/** The log from its end, and what comes to it. */
export function LogPage({ content: { events, searched, older }, before, system }: LogPageProps) {
  const parameters = { system: system ? 1 : undefined }
  return (
    <>
      <h1>{before === undefined ? '$all' : `$all before position ${before}`}</h1>
      {before === undefined ? <LivePanel source={href(paths.live, parameters)} /> : null}
      <p class="note">
        {system ? 'All streams. ' : 'Without streams whose name starts with $. '}
        <a href={href(paths.log, { before, system: system ? undefined : 1 })}>
          {system ? 'Without system streams' : 'With system streams'}
        </a>
      </p>
      <table>
        <thead>
          <tr>
            <th scope="col">Event</th>
            <th scope="col">Stream</th>
            <th scope="col">Data</th>
            <th scope="col" class="right">
              Position
            </th>
            <th scope="col">At</th>
          </tr>
        </thead>
        <tbody id="rows">
          {events.map((event) => (
            <EventRow event={event} />
          ))}
        </tbody>
      </table>
      {events.length > 0 ? null : <p id="nothing">None among {counted(searched, 'event')}.</p>}
      <nav class="pager" aria-label="Pages">
        {before === undefined ? <span class="quiet">Newest</span> : <a href={href(paths.log, parameters)}>Newest</a>}
        {older === undefined ? (
          <span class="quiet">Older</span>
        ) : (
          <a href={href(paths.log, { before: older, ...parameters })} rel="next">
            Older
          </a>
        )}
      </nav>
    </>
  )
}

function LivePanel({ source }: { readonly source: string }) {
  return (
    <>
      <div id="live" class="panel" data-source={source} hidden>
        <p id="live-state" role="status" />
        <button type="button" id="live-pause">
          Pause
        </button>
      </div>
      <noscript>
        <p class="note">Without JavaScript, load the page again for what is new.</p>
      </noscript>
      <template id="row">
        <EventRow event={undefined} />
      </template>
    </>
  )
}

/** Without an event, what the script fills. */
function EventRow({ event }: { readonly event: RecordedEvent | undefined }) {
  const row = event && rowOf(event)
  return (
    <tr>
      <td>
        <a href={row?.eventHref ?? paths.log} data-href="eventHref">
          <bdi data-text="type">{row?.type}</bdi>
        </a>
      </td>
      <td data-label="Stream" class="wide">
        <a class="name" href={row?.streamHref ?? paths.log} data-href="streamHref">
          <bdi data-text="stream">{row?.stream}</bdi>
        </a>{' '}
        <span class="number quiet" data-text="number">
          {row?.number}
        </span>
      </td>
      <td data-label="Data" class="data">
        <bdi data-text="data">{row?.data}</bdi>
      </td>
      <td data-label="Position" class="right number" data-text="position">
        {row?.position}
      </td>
      <td data-label="At">
        <Time at={event?.created ?? new Date(0)} />
      </td>
    </tr>
  )
}
