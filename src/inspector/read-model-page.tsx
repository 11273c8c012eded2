import type { Position } from '../cqrs/event.ts'
import { counted, Name, numberText, Time } from './layout.tsx'
import { eventHref, href, paths, streamHref } from './paths.ts'
import type { ParkedEvent, ReadModelStatus } from './ports.ts'
import { visible } from './print.ts'

/** Parked events on a page. */
const PAGE = 50

/** One more than is shown tells whether there is another page. */
export const PARKED_LIMIT = PAGE + 1

interface ReadModelPageProps {
  readonly status: ReadModelStatus
  /** Of the last event in the log; undefined where the store does not say. */
  readonly end: Position | undefined
  /** At most {@link PARKED_LIMIT}; undefined where the read model is not ready. */
  readonly parked: readonly ParkedEvent[] | undefined
  readonly token: string
  /** How many a replay that was just asked for has applied. */
  readonly applied: number | undefined
}

/** How far the projector has come, and what it could not apply. */
export function ReadModelPage({ status, end, parked, token, applied }: ReadModelPageProps) {
  return (
    <>
      <h1>Read model</h1>
      {applied === undefined ? null : (
        <p role="status" class="outcome">
          {counted(applied, 'parked event')} could be applied now, {status.parked.toLocaleString('en')} could not.
        </p>
      )}
      <Progress status={status} end={end} />
      <h2 id="parked">Parked events</h2>
      <p class="note">
        Events that could not be applied, and the later ones of their streams. Each start of the service tries them
        again.
      </p>
      {parked === undefined ? <p>The read model is not ready, so they cannot be listed.</p> : null}
      {parked?.length === 0 ? <p>There are none.</p> : null}
      {parked !== undefined && parked.length > 0 ? (
        <>
          <form method="post" action={paths.replay}>
            <input type="hidden" name="token" value={token} />
            <button type="submit">
              Try {status.parked === 1 ? 'it' : `all ${status.parked.toLocaleString('en')}`} again
            </button>
          </form>
          <ParkedTable parked={parked.slice(0, PAGE)} />
          {parked.length > PAGE ? (
            <nav class="pager" aria-label="Pages">
              <a href={href(paths.readModel, { after: parked[PAGE - 1]?.position })}>More</a>
            </nav>
          ) : null}
        </>
      ) : null}
    </>
  )
}

const states: Readonly<Record<ReadModelStatus['state'], string>> = {
  live: 'live: applies events as they come',
  replaying: 'replaying: applies what was in the log before it came',
  reconnecting: 'reconnecting: tries again, for as long as it takes',
  failed: 'failed: has stopped for good',
}

function Progress({ status, end }: Pick<ReadModelPageProps, 'status' | 'end'>) {
  const { state, position, lag, isServing, millisecondsWithoutProgress: silent, error } = status
  const facts = [
    ['Projector', states[state]],
    ['Queries', isServing ? 'are answered' : 'are refused'],
    ['Position', String(position)],
    ['The log ends at', end === undefined ? 'the event store does not say' : String(end)],
    ['Lag', lag === undefined ? 'not known while not live' : counted(lag, 'event')],
    ['Without progress', silent === 0 ? 'no: has applied all it received' : `for ${(silent / 1_000).toFixed(1)} s`],
    ['Parked', counted(status.parked, 'event')],
  ] as const
  return (
    <dl class="facts-list">
      {facts.map(([term, value]) => (
        <div>
          <dt>{term}</dt>
          <dd>{value}</dd>
        </div>
      ))}
      {error ? (
        <div>
          <dt>Error</dt>
          <dd class="error">{visible(error.message)}</dd>
        </div>
      ) : null}
    </dl>
  )
}

function ParkedTable({ parked }: { readonly parked: readonly ParkedEvent[] }) {
  return (
    <table aria-labelledby="parked">
      <thead>
        <tr>
          <th scope="col">Event</th>
          <th scope="col">Stream</th>
          <th scope="col">Error</th>
          <th scope="col">Parked</th>
        </tr>
      </thead>
      <tbody>
        {parked.map(({ stream, number, type, error, parkedAt }) => (
          <tr>
            <td>
              <a href={eventHref(stream, number)}>
                <bdi>{visible(type)}</bdi>
              </a>
            </td>
            <td data-label="Stream" class="wide">
              <Name name={stream} href={streamHref(stream)} /> <span class="number quiet">{numberText(number)}</span>
            </td>
            <td data-label="Error" class="error">
              <bdi>{visible(error)}</bdi>
            </td>
            <td data-label="Parked">
              <Time at={new Date(parkedAt)} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}
