/** One line on stderr for what is this node's own fault, with what a maintainer needs to find it. */
export function reportFault(error: unknown): void {
  process.stderr.write(`eventstore: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`)
}
