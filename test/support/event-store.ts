import { inject } from 'vitest'

/**
 * The connection string of the event store that tests use: EVENTSTORE_URL where it is set, else an embedded node that runs
 * as long as the test run. Others use it at the same time, and it may hold any number of events.
 */
export const eventStoreUrl = (): Promise<string> => Promise.resolve(inject('eventStoreUrl'))
