import { type FoundStream, type FoundStreams, isSystemStream, LISTED } from './find-streams.ts'
import { counted, Name, numberText, Time } from './layout.tsx'
import { href, paths, streamHref } from './paths.ts'
import { visible } from './print.ts'

interface StreamsPageProps {
  readonly found: FoundStreams
  readonly q: string | undefined
  readonly system: boolean
}

/** The streams that were changed last, and the search by name. */
export function StreamsPage({ found, q, system }: StreamsPageProps) {
  const { streams, more } = found
  return (
    <>
      <h1>{q === undefined ? 'Recently changed streams' : 'Streams'}</h1>
      <form method="get" action={paths.streams} class="search">
        <label>
          Name, or a part of it
          <input type="search" name="q" value={q ?? ''} autocomplete="off" spellcheck={false} maxlength={1000} />
        </label>
        <label class="check">
          <input type="checkbox" name="system" value="1" checked={system} /> system streams
        </label>
        <button type="submit">Search</button>
      </form>
      <p class="note">
        {searchedWhat(found, q)}
        {more > 0 ? ` The first ${LISTED} are listed, and there are ${counted(more, 'more', 'more')}.` : ''}
        {system || q?.startsWith('$') ? '' : ' Streams whose name starts with $ are left out.'}
      </p>
      {streams.length > 0 ? (
        <StreamTable streams={streams} />
      ) : (
        <p>{q === undefined ? 'There are none.' : 'None has this in its name.'}</p>
      )}
      {q === undefined || isKnown(found, q) ? null : (
        <p>
          A stream may be older than what was searched: open the one with exactly this name,{' '}
          <Name name={q} href={streamHref(q)} />.
        </p>
      )}
      {q === undefined ? null : (
        <p>
          <a href={href(paths.streams, { system: system ? 1 : undefined })}>All recently changed streams</a>
        </p>
      )}
    </>
  )
}

function StreamTable({ streams }: { readonly streams: readonly FoundStream[] }) {
  return (
    <table>
      <thead>
        <tr>
          <th scope="col">Stream</th>
          <th scope="col">Last event</th>
          <th scope="col" class="right">
            Number
          </th>
          <th scope="col">At</th>
        </tr>
      </thead>
      <tbody>
        {streams.map(({ name, at, last }) => (
          <tr>
            <td>
              <Name name={name} href={streamHref(name)} />
            </td>
            <td data-label="Last event">
              {last ? <bdi>{visible(last.type)}</bdi> : <span class="quiet">not among the newest</span>}
            </td>
            <td data-label="Number" class="right number">
              {last ? numberText(last.number) : ''}
            </td>
            <td data-label="At">
              {last ? null : 'made '}
              <Time at={at} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

/** Whether it is sure that the search has found what has exactly this name, if there is any. */
function isKnown({ isAll, streams }: FoundStreams, name: string): boolean {
  return (isAll && !isSystemStream(name)) || streams.some((stream) => stream.name === name)
}

function searchedWhat({ events, names, isAll }: FoundStreams, q: string | undefined): string {
  if (isAll) return q === undefined ? 'All streams.' : 'All streams were searched.'
  const tail = `the newest ${counted(events, 'event')} of the log`
  const all = names === undefined ? tail : `${tail}, and the newest ${counted(names, 'stream')}`
  return q === undefined ? `From ${all}.` : `Searched: ${all}.`
}
