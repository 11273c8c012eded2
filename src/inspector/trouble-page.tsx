import { paths } from './paths.ts'
import { visible } from './print.ts'

interface TroublePageProps {
  readonly title: string
  readonly detail: string
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
