import operations from '@eventstore/db-client/generated/operations_pb.js'
import shared from '@eventstore/db-client/generated/shared_pb.js'
import * as grpc from '@grpc/grpc-js'
import type { Groups } from './persistent/groups.ts'
import type { Scavenger } from './scavenger.ts'
import { Failure, handlerThrew, scavengeNotFound, toStatus } from './status.ts'

type Unary<Request, Response> = grpc.handleUnaryCall<Request, Response>

const { STARTED, INPROGRESS, STOPPED } = operations.ScavengeResp.ScavengeResult

/**
 * The Operations service of a single node. There are no indexes to merge; a lone node neither resigns nor has others
 * to be preferred to, and answers those calls as EventStoreDB does. `shutDown` is called once the answer is given.
 */
export function operationsCalls(
  scavenger: Scavenger,
  groups: Groups,
  shutDown: () => void,
): grpc.UntypedServiceImplementation {
  const startScavenge: Unary<operations.StartScavengeReq, operations.ScavengeResp> = (call, answer) => {
    if (call.request.getOptions() === undefined) return answer(handlerThrew().status)
    const { id, isNew } = scavenger.start()
    answer(null, scavengeResponse(id, isNew ? STARTED : INPROGRESS))
  }
  const stopScavenge: Unary<operations.StopScavengeReq, operations.ScavengeResp> = (call, answer) => {
    const id = call.request.getOptions()?.getScavengeId()
    if (id === undefined) return answer(handlerThrew().status)
    scavenger.stop(id).then(
      (stopped) => {
        if (stopped === undefined) answer(scavengeNotFound(scavenger.current).status)
        else answer(null, scavengeResponse(stopped, STOPPED))
      },
      (error: unknown) => answer(toStatus(error)),
    )
  }
  const done: Unary<unknown, shared.Empty> = (_call, answer) => answer(null, new shared.Empty())
  return {
    startScavenge,
    stopScavenge,
    mergeIndexes: done,
    resignNode: done,
    setNodePriority: done,
    shutdown: (_call: unknown, answer: grpc.sendUnaryData<shared.Empty>) => {
      answer(null, new shared.Empty())
      shutDown()
    },
    restartPersistentSubscriptions: (_call: unknown, answer: grpc.sendUnaryData<shared.Empty>): void => {
      groups.restart().then(
        () => answer(null, new shared.Empty()),
        (error: unknown) => answer(toStatus(error)),
      )
    },
  }
}

/** What a service that is not offered answers, so that people read why. */
export function refusal(
  service: Readonly<Record<string, unknown>>,
  details: string,
): grpc.UntypedServiceImplementation {
  return Object.fromEntries(Object.keys(service).map((method) => [method, unimplemented(details)]))
}

/** Fits calls of every kind: without a listener for messages, an error ends them. */
function unimplemented(details: string): grpc.UntypedHandleCall {
  const { status } = new Failure(grpc.status.UNIMPLEMENTED, details)
  return (call: unknown, answer?: (error: Partial<grpc.StatusObject>) => void) => {
    if (answer !== undefined) answer(status)
    else if (isEmitter(call)) call.emit('error', status)
  }
}

const isEmitter = (call: unknown): call is { emit(event: 'error', status: unknown): boolean } =>
  typeof call === 'object' && call !== null && 'emit' in call

function scavengeResponse(id: string, result: operations.ScavengeResp.ScavengeResult): operations.ScavengeResp {
  return new operations.ScavengeResp().setScavengeId(id).setScavengeResult(result)
}
