import { EventStoreDBClient } from '@eventstore/db-client'
import { OperationsClient } from '@eventstore/db-client/generated/operations_grpc_pb.js'
import operations from '@eventstore/db-client/generated/operations_pb.js'
import { credentials, type ServiceError } from '@grpc/grpc-js'
import { z } from 'zod'

const ended = z.object({
  result: z.enum(['Success', 'Stopped', 'Failed']),
  error: z.string().nullable(),
  timeTaken: z.string(),
  spaceSaved: z.number(),
})

/** How a scavenge ended; `spaceSaved` in bytes, `timeTaken` as `hh:mm:ss.fffffff`. */
export type ScavengeEnd = z.infer<typeof ended>

/**
 * Has the node at an address scavenge its log, or waits for the scavenge that it is at already, and resolves with what
 * the last event of its record says. `signal` stops it.
 */
export async function scavenge(
  address: string,
  tell: (text: string) => void,
  signal: AbortSignal,
): Promise<ScavengeEnd> {
  const calls = new OperationsClient(address, credentials.createInsecure())
  const client = EventStoreDBClient.connectionString(`esdb://${address}?tls=false`)
  try {
    const start = new operations.StartScavengeReq().setOptions(new operations.StartScavengeReq.Options())
    const started = await answerOf<operations.ScavengeResp>((answer) => calls.startScavenge(start, answer))
    const id = started.getScavengeId()
    const isNew = started.getScavengeResult() === operations.ScavengeResp.ScavengeResult.STARTED
    tell(isNew ? `Scavenge ${id} has started.` : `Scavenge ${id} is running already.`)
    signal.addEventListener('abort', () => {
      const stop = new operations.StopScavengeReq()
      stop.setOptions(new operations.StopScavengeReq.Options().setScavengeId(id))
      // Its end shows in the record, as any other.
      calls.stopScavenge(stop, () => {})
    })
    for await (const { event } of client.subscribeToStream(`$scavenges-${id}`)) {
      if (event?.type === '$scavengeCompleted') return ended.parse(event.data)
    }
    throw new Error(`the node at ${address} has stopped`)
  } finally {
    calls.close()
    await client.dispose()
  }
}

function answerOf<Response>(
  call: (answer: (error: ServiceError | null, response: Response) => void) => unknown,
): Promise<Response> {
  return new Promise((resolve, reject) => {
    call((error, response) => (error === null ? resolve(response) : reject(error)))
  })
}
