/** What the node has written since it started. */
export interface Statistics {
  /**
   * Transactions that wrote something. Each is one fsync of the write-ahead log (sqlite.org/pragma.html#pragma_synchronous,
   * FULL); checkpoints add a few of their own.
   */
  readonly commits: number
  /** Requests that wrote something or were refused in those: appends, deletes and tombstones. */
  readonly requests: number
  readonly events: number
  /** Most events in one commit. */
  readonly largestCommit: number
  /** Spent in commits, the fsync included, in seconds. */
  readonly commitSeconds: number
  /** The longest of them, in seconds. */
  readonly longestCommitSeconds: number
}

/** With what the node is at the moment. */
export interface NodeStatistics extends Statistics {
  /** Open TCP connections. */
  readonly connections: number
  /** Size of the log with all that is committed. */
  readonly logBytes: number
}

export class CommitCounters implements Statistics {
  commits = 0
  requests = 0
  events = 0
  largestCommit = 0
  commitSeconds = 0
  longestCommitSeconds = 0

  count(requests: number, events: number, seconds: number): void {
    this.commits++
    this.requests += requests
    this.events += events
    this.largestCommit = Math.max(this.largestCommit, events)
    this.commitSeconds += seconds
    this.longestCommitSeconds = Math.max(this.longestCommitSeconds, seconds)
  }
}
