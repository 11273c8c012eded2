import { setTimeout as sleep } from 'node:timers/promises'

/** Resolves when `condition` holds; rejects when it does not within `deadlineMs`. */
export async function eventually(
  condition: () => boolean | Promise<boolean>,
  what: string,
  deadlineMs = 10_000,
): Promise<void> {
  const deadline = Date.now() + deadlineMs
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`It did not happen within ${deadlineMs} ms: ${what}`)
    await sleep(5)
  }
}
