import type { ExploredGroup } from '../cqrs/store-explorer.ts'
import { Name } from './layout.tsx'
import { paths, streamHref } from './paths.ts'
import { visible } from './print.ts'

/** The persistent subscriptions of the store, whoever made them. */
export function GroupsPage({ groups }: { readonly groups: readonly ExploredGroup[] }) {
  return (
    <>
      <h1>Persistent subscription groups</h1>
      {groups.length === 0 ? (
        <p>There are none.</p>
      ) : (
        <table>
          <thead>
            <tr>
              <th scope="col">Group</th>
              <th scope="col">Source</th>
              <th scope="col">Status</th>
              <th scope="col" class="right">
                Consumers
              </th>
              <th scope="col" class="right">
                In flight
              </th>
              <th scope="col" class="right">
                Parked
              </th>
              <th scope="col" class="right">
                Settled up to
              </th>
              <th scope="col" class="right">
                Last known
              </th>
            </tr>
          </thead>
          <tbody>
            {groups.map((group) => (
              <GroupRow group={group} />
            ))}
          </tbody>
        </table>
      )}
      {groups.length === 0 ? null : (
        <p class="note">The last two are numbers of events in the source, or positions where the source is $all.</p>
      )}
    </>
  )
}

function GroupRow({ group }: { readonly group: ExploredGroup }) {
  const { name, source, status, consumers, inFlight, parked, parkedStream, checkpoint, lastKnown } = group
  return (
    <tr>
      <td>
        <bdi class="name">{visible(name)}</bdi>
      </td>
      <td data-label="Source">
        <Name name={source} href={source === '$all' ? paths.log : streamHref(source)} />
      </td>
      <td data-label="Status">{visible(status)}</td>
      <td data-label="Consumers" class="right number">
        {consumers}
      </td>
      <td data-label="In flight" class="right number">
        {inFlight}
      </td>
      <td data-label="Parked" class="right number">
        {parked > 0 ? (
          <a href={streamHref(parkedStream)} aria-label={`${parked} parked events`}>
            {parked}
          </a>
        ) : (
          '0'
        )}
      </td>
      <td data-label="Settled up to" class="right number">
        {checkpoint ?? 'not known'}
      </td>
      <td data-label="Last known" class="right number">
        {lastKnown ?? 'not known'}
      </td>
    </tr>
  )
}
