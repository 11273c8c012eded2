import type { EventSink, EventSource } from './event-store.ts'
import type { SnapshotSink, SnapshotSource } from './snapshot.ts'

/** Has no events, and takes any: for commands that are only tried out. */
export const nullEventStore: EventSink & EventSource = {
  async append(_stream, events, precondition) {
    const before = typeof precondition === 'object' ? precondition.version : 0
    return { lastNumber: before + events.length, position: 0, recordedAt: async () => new Date() }
  },
  async *read() {},
  async *readBackwards() {},
}

export const nullSnapshotStore: SnapshotSource & SnapshotSink = {
  getSnapshot: async () => undefined,
  persistSnapshot: async () => undefined,
}
