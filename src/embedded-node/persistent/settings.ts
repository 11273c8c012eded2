import type { Filter } from '../filter.ts'
import type { CheckpointSettings } from './progress.ts'

/** What a group was created or updated with, in EventStoreDB's words. */
export interface GroupSettings extends CheckpointSettings {
  /** As EventStoreDB prints it: `0`, `C:0/P:0`, and `-1` or `C:-1/P:-1` for the end. */
  readonly startFrom: string
  readonly resolveLinkTos: boolean
  readonly extraStatistics: boolean
  /** Milliseconds. */
  readonly messageTimeout: number
  readonly maxRetryCount: number
  /** How many events a group keeps ready. */
  readonly historyBufferSize: number
  readonly liveBufferSize: number
  readonly readBatchSize: number
  /** 0: any number. */
  readonly maxSubscriberCount: number
  readonly consumerStrategy: string
  /** Of a group on `$all`. */
  readonly filter: Filter | undefined
}

export const isEnd = (startFrom: string): boolean => startFrom === '-1' || startFrom === 'C:-1/P:-1'

/** Events of one read: at most 100, and 10 where the batch size is 0. Less than none cannot be read. */
export function pageSize(readBatchSize: number): number {
  return readBatchSize === 0 ? 10 : Math.min(readBatchSize, 100)
}
