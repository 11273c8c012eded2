import { channel } from 'node:diagnostics_channel'

type Point =
  | 'projector.batch-begun'
  | 'projector.row-written'
  | 'projector.checkpoint-written'
  | 'projector.before-commit'
  | 'projector.after-commit'
  | 'rebuild.batch-written'
  | 'rebuild.before-swap'
  | 'rebuild.pointer-drafted'
  | 'rebuild.after-swap'

const reached = channel('rollbook:failpoint')

/**
 * Names an instant at which a process may die without harm. Nothing here listens to it: a test that wants the process
 * to end at it loads a module of its own, which subscribes to the channel.
 */
export function failpoint(point: Point): void {
  if (reached.hasSubscribers) reached.publish(point)
}
