import type {
  AllStreamRecordedEvent,
  Position as LogPosition,
  RecordedEvent as StoreEvent,
} from '@eventstore/db-client'
import type { Position, RecordedEvent } from '../cqrs/event.ts'

export function toRecordedEvent(event: StoreEvent | AllStreamRecordedEvent): RecordedEvent {
  return {
    id: event.id,
    stream: event.streamId,
    number: Number(event.revision) + 1,
    position: event.position ? toPosition(event.position) : 0,
    type: event.type,
    data: event.data,
    metadata: event.metadata,
    created: event.created,
  }
}

/** Everything that is written over gRPC has its commit position as its prepare position, so one number will do. */
export function toPosition({ commit }: LogPosition): Position {
  return Number(commit)
}

export function toLogPosition(position: Position): LogPosition {
  return { commit: BigInt(position), prepare: BigInt(position) }
}
