import { StoreUnavailable } from '../cqrs/event-store.ts'
import { NotReadable } from '../cqrs/store-explorer.ts'
import { BadParameters } from './parameters.ts'
import { paths } from './paths.ts'
import { visible } from './print.ts'

interface TroublePageProps extends Pick<Trouble, 'title' | 'detail'> {
  /** The address that was asked for. */
  readonly here: string
}

/** Says why there is no page. */
export function TroublePage({ title, detail, here }: TroublePageProps) {
  return (
    <>
      <h1>{title}</h1>
      <p>{visible(detail)}</p>
      <p>
        <a href={here}>Try again</a> or go to <a href={paths.streams}>the streams</a>.
      </p>
    </>
  )
}

export interface Trouble {
  readonly status: 400 | 403 | 404 | 503
  readonly title: string
  readonly detail: string
}

/** Rethrows what there is no page for. */
export function troubleOf(error: unknown): Trouble {
  if (error instanceof BadParameters) return { status: 400, title: 'This address is not valid', detail: error.message }
  if (error instanceof StoreUnavailable) {
    const detail = `It could not be reached, or did not answer in time (${error.reason}). The service tries again by itself.`
    return { status: 503, title: 'The event store is away', detail }
  }
  if (!(error instanceof NotReadable)) throw error
  return error.reason === 'deleted'
    ? {
        status: 404,
        title: 'Deleted for good',
        detail: `${error.what} is tombstoned: nothing of it can be read again.`,
      }
    : { status: 403, title: 'Access denied', detail: `The service's user may not read ${error.what}.` }
}
