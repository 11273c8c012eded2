// Persistent subscriptions to $all write down where they stand. Would $all show that, each checkpoint would be an event to
// deliver and the cause of the next checkpoint. EventStoreDB hides these streams from every read of $all.

const PREFIX = '$persistentsubscription-$all::'
const SUFFIXES = ['-checkpoint', '-parked']

/** Whether reads of `$all` leave out the stream's events. */
export function isHiddenFromAll(stream: string): boolean {
  return (
    stream.startsWith(PREFIX) &&
    SUFFIXES.some((suffix) => stream.length >= PREFIX.length + suffix.length && stream.endsWith(suffix))
  )
}

/** What {@link isHiddenFromAll} leaves, as a condition on a row of the table `event`. */
export const VISIBLE_IN_ALL = `NOT (${SUFFIXES.map((suffix) => `stream GLOB '${PREFIX}*${suffix}'`).join(' OR ')})`
