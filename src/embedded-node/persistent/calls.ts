import { PersistentSubscriptionsService } from '@eventstore/db-client/generated/persistent_grpc_pb.js'
import persistent from '@eventstore/db-client/generated/persistent_pb.js'
import shared from '@eventstore/db-client/generated/shared_pb.js'
import type * as grpc from '@grpc/grpc-js'
import type { Access } from '../access.ts'
import { boundedRequests } from '../bounded-reader.ts'
import { isComputed } from '../computed-streams.ts'
import type { LinkIndex } from '../link-index.ts'
import { type Frames, joined } from '../outbox.ts'
import { handlerThrew, toStatus } from '../status.ts'
import { groupFailed } from './failures.ts'
import type { Groups } from './groups.ts'
import { describe } from './info.ts'
import { Reading } from './reading.ts'
import { nameOf, parseCreate, parseStreamTarget, parseTarget, parseUpdate } from './requests.ts'
import { ALL } from './source.ts'

const requestsBounded = boundedRequests(PersistentSubscriptionsService)

/** The PersistentSubscriptions service, with deliveries that are serialised before they reach grpc-js. */
export const persistentService = {
  ...requestsBounded,
  read: { ...requestsBounded.read, responseSerialize: joined },
}

/** Each method with what EventStoreDB says it supports: clients choose their ways by it. */
export const PERSISTENT_METHODS = Object.values(PersistentSubscriptionsService).map(
  ({ path }) => path.split('/').at(-1)?.toLowerCase() ?? '',
)

type Unary<Request, Response> = grpc.handleUnaryCall<Request, Response>

/** The calls of the PersistentSubscriptions service: each translates its messages, the {@link Groups} do the rest. */
export class PersistentCalls {
  readonly #groups: Groups
  readonly #access: Access
  readonly #links: LinkIndex
  readonly #readings = new Set<Reading>()

  constructor(groups: Groups, access: Access, links: LinkIndex) {
    this.#groups = groups
    this.#access = access
    this.#links = links
  }

  get handlers(): grpc.UntypedServiceImplementation {
    const create = answering<persistent.CreateReq, persistent.CreateResp>(async (request) => {
      const { name, settings } = parseCreate(request)
      // In slices, for what the group reads at once would be indexed at once.
      if (isComputed(name.stream)) await this.#links.catchUp()
      await this.#groups.create(name, settings)
      return new persistent.CreateResp()
    })
    const update = answering<persistent.UpdateReq, persistent.UpdateResp>(async (request) => {
      const { name, settings } = parseUpdate(request)
      await this.#groups.update(name, settings)
      return new persistent.UpdateResp()
    })
    const remove = answering<persistent.DeleteReq, persistent.DeleteResp>(async (request) => {
      await this.#groups.delete(parseStreamTarget(request.getOptions()))
      return new persistent.DeleteResp()
    })
    const getInfo = answering<persistent.GetInfoReq, persistent.GetInfoResp>((request) => {
      const info = describe(this.#groups.get(parseTarget(request.getOptions())))
      return new persistent.GetInfoResp().setSubscriptionInfo(info)
    })
    const list = answering<persistent.ListReq, persistent.ListResp>((request) => {
      const groups = this.#groups.list(listedStream(request.getOptions()))
      return new persistent.ListResp().setSubscriptionsList(groups.map(describe))
    })
    const replayParked = answering<persistent.ReplayParkedReq, persistent.ReplayParkedResp>((request) => {
      this.#replayParked(request.getOptions())
      return new persistent.ReplayParkedResp()
    })
    const restartSubsystem = answering<shared.Empty, shared.Empty>(async () => {
      await this.#groups.restart()
      return new shared.Empty()
    })
    const read = (call: grpc.ServerDuplexStream<persistent.ReadReq, Frames>): void => this.#read(call)
    return { create, update, delete: remove, getInfo, list, replayParked, restartSubsystem, read }
  }

  /** Ends every open call with UNAVAILABLE. */
  close(): void {
    for (const reading of [...this.#readings]) reading.shutDown()
    this.#groups.close()
  }

  #replayParked(options: persistent.ReplayParkedReq.Options | undefined): void {
    const name = parseTarget(options)
    if (options === undefined || (!options.hasStopAt() && !options.hasNoLimit())) throw handlerThrew()
    const stopAt = options.hasStopAt() ? Number(options.getStopAt()) : undefined
    if (stopAt !== undefined && stopAt < 0) {
      throw groupFailed(name, 'Cannot stop replaying parked message at a negative version.')
    }
    this.#groups.get(name).replayParked(stopAt)
  }

  #read(call: grpc.ServerDuplexStream<persistent.ReadReq, Frames>): void {
    const caller = {
      user: this.#access.nameOf(call),
      check: (stream: string): void => this.#access.check(call, 'read', stream),
    }
    const reading = new Reading(this.#groups, call, caller, () => this.#readings.delete(reading))
    this.#readings.add(reading)
  }
}

/** Undefined: the groups of all streams. @throws Failure */
function listedStream(options: persistent.ListReq.Options | undefined): string | undefined {
  if (options?.hasListAllSubscriptions() === true) return undefined
  const stream = options?.getListForStream()
  if (stream === undefined || (!stream.hasAll() && !stream.hasStream())) throw handlerThrew()
  return stream.hasAll() ? ALL : nameOf(stream.getStream())
}

function answering<Request, Response>(
  run: (request: Request) => Promise<Response> | Response,
): Unary<Request, Response> {
  return ({ request }, answer) => {
    const respond = async (): Promise<Response> => run(request)
    respond().then(
      (response) => answer(null, response),
      (error: unknown) => answer(toStatus(error)),
    )
  }
}
