import { MonitoringService } from '@eventstore/db-client/generated/monitoring_grpc_pb.js'
import { OperationsService } from '@eventstore/db-client/generated/operations_grpc_pb.js'
import { PersistentSubscriptionsService } from '@eventstore/db-client/generated/persistent_grpc_pb.js'
import { StreamsService } from '@eventstore/db-client/generated/streams_grpc_pb.js'
import streams from '@eventstore/db-client/generated/streams_pb.js'
import { expect, test } from 'vitest'
import { boundedRequests } from '../../src/embedded-node/bounded-reader.ts'
import { streamsService } from '../../src/embedded-node/streams.ts'
import { appendEvent } from './raw-calls.ts'

const services = [StreamsService, PersistentSubscriptionsService, OperationsService, MonitoringService]
const methods = services.flatMap((service) => Object.values(boundedRequests(service)))

test.each(methods)('a request of $path that says that it is longer than it is, is refused at once', (method) => {
  const lengths = [
    [0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f],
    [0x0a, 6, 0x0a, 0xff, 0xff, 0xff, 0xff, 0x07],
  ]
  const start = performance.now()
  for (const bytes of lengths) {
    // Some have no such field, and read it as a number.
    try {
      method.requestDeserialize(Buffer.from(bytes))
    } catch {}
  }
  expect(performance.now() - start).toBeLessThan(1_000)
})

test('so is an append whose metadata are', () => {
  const { requestDeserialize } = streamsService.append
  const start = performance.now()
  for (const entry of [
    [0x0a, 0xff, 0xff, 0xff, 0xff, 0x07],
    [0x0a, 3, 0x61],
    [0x1a, 0],
  ]) {
    const proposed = Buffer.from([0x12, entry.length, ...entry])
    expect(() => requestDeserialize(Buffer.from([0x12, proposed.length, ...proposed]))).toThrow()
  }
  expect(performance.now() - start).toBeLessThan(1_000)
})

test('an append as clients send it is read', () => {
  const bytes = Buffer.from(appendEvent({ data: Buffer.from('{}') }).serializeBinary())
  expect(streamsService.append.requestDeserialize(bytes).toObject()).toEqual(
    streams.AppendReq.deserializeBinary(bytes).toObject(),
  )
})
