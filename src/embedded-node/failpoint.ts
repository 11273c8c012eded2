import { channel } from 'node:diagnostics_channel'

type Point = 'node.before-fsync' | 'node.after-fsync'

const reached = channel('rollbook:failpoint')

/**
 * Names an instant at which the node may die without harm. Nothing here listens to it: a test that wants the process
 * to end at it loads a module of its own, which subscribes to the channel.
 */
export function failpoint(point: Point): void {
  if (reached.hasSubscribers) reached.publish(point)
}
