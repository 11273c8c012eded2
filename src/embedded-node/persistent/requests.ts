import type persistent from '@eventstore/db-client/generated/persistent_pb.js'
import type shared from '@eventstore/db-client/generated/shared_pb.js'
import type { Filter } from '../filter.ts'
import { parseFilter } from '../filter-request.ts'
import { badArgument, handlerThrew, isNameTooLong, nameTooLong, noCase } from '../status.ts'
import { type GroupName, groupFailed } from './failures.ts'
import type { GroupSettings } from './settings.ts'
import { ALL } from './source.ts'

/** A group with what it is to be. */
export interface GroupRequest {
  readonly name: GroupName
  readonly settings: GroupSettings
}

type ChangeOptions = persistent.CreateReq.Options | persistent.UpdateReq.Options
type Settings = persistent.CreateReq.Settings | persistent.UpdateReq.Settings

const MAX_INT64 = 2n ** 63n - 1n
const MAX_UINT64 = 2n ** 64n - 1n
/** .NET's ticks of a millisecond. */
const TICKS = 10_000
const STRATEGIES = ['DispatchToSingle', 'RoundRobin', 'Pinned']
/** Where EventStoreDB's texts find the types of a request. */
const CREATE = 'EventStore.Client.PersistentSubscriptions.CreateReq+Types+'
const UPDATE = 'EventStore.Client.PersistentSubscriptions.UpdateReq+Types+'

/** @throws Failure */
export function parseCreate(request: persistent.CreateReq): GroupRequest {
  const options = request.getOptions()
  const settings = options?.getSettings()
  if (options === undefined || settings === undefined) throw handlerThrew()
  const filterOptions = options.getAll()?.getFilter()
  const missing = noCase(`${CREATE}AllOptions+Types+FilterOptions+FilterOneofCase`)
  const filter = filterOptions && parseFilter(filterOptions, missing)
  return parseChange(CREATE, options, settings, settings.getConsumerStrategy(), filter?.filter)
}

/** An update cannot name a strategy by its name, and cannot change the filter. @throws Failure */
export function parseUpdate(request: persistent.UpdateReq): GroupRequest {
  const options = request.getOptions()
  const settings = options?.getSettings()
  if (options === undefined || settings === undefined) throw handlerThrew()
  return parseChange(UPDATE, options, settings, '', undefined)
}

interface Target {
  hasAll(): boolean
  hasStreamIdentifier(): boolean
  getStreamIdentifier(): shared.StreamIdentifier | undefined
  getGroupName(): string
}

/** Which group a call is about. @throws Failure */
export function parseTarget(options: Target | undefined): GroupName {
  if (options === undefined || (!options.hasAll() && !options.hasStreamIdentifier())) throw handlerThrew()
  const stream = options.hasAll() ? ALL : nameOf(options.getStreamIdentifier())
  return { stream, group: options.getGroupName() }
}

/** The same for calls that take `$all` only by its own option. @throws Failure */
export function parseStreamTarget(options: Target | undefined): GroupName {
  const name = parseTarget(options)
  if (options?.hasAll() !== true) checkStream(name)
  return name
}

/** The name in a message that has to be there. @throws Failure */
function requiredName(options: { getStreamIdentifier(): shared.StreamIdentifier | undefined }): string {
  const identifier = options.getStreamIdentifier()
  if (identifier === undefined) throw handlerThrew()
  return nameOf(identifier)
}

export const nameOf = (identifier: shared.StreamIdentifier | undefined): string =>
  Buffer.from(identifier?.getStreamName_asU8() ?? []).toString('utf8')

function checkStream(name: GroupName): void {
  if (name.stream === '') throw groupFailed(name, 'Bad stream name.')
  if (name.stream === ALL) {
    throw groupFailed(name, 'Persistent subscriptions to $all are only supported over gRPC through gRPC clients')
  }
}

function parseChange(
  types: typeof CREATE | typeof UPDATE,
  options: ChangeOptions,
  settings: Settings,
  strategy: string,
  filter: Filter | undefined,
): GroupRequest {
  const all = options.getAll()
  const streamOptions = options.getStream()
  const stream = all === undefined ? requiredName(streamOptions ?? options) : ALL
  const startFrom =
    all !== undefined
      ? allStart(all, types)
      : streamOptions !== undefined
        ? streamStart(streamOptions, types)
        : revision(settings.getRevision())
  const name = { stream, group: options.getGroupName() }
  if (all === undefined) checkStream(name)
  // The group's own streams have both in their names.
  if (isNameTooLong(stream + name.group)) throw badArgument(nameTooLong('The names of a stream and a group together'))
  const named = settings.getNamedConsumerStrategy()
  return {
    name,
    settings: {
      startFrom,
      resolveLinkTos: settings.getResolveLinks(),
      extraStatistics: settings.getExtraStatistics(),
      messageTimeout: settings.hasMessageTimeoutTicks()
        ? Math.trunc(Number(settings.getMessageTimeoutTicks()) / TICKS)
        : settings.getMessageTimeoutMs(),
      maxRetryCount: settings.getMaxRetryCount(),
      historyBufferSize: settings.getHistoryBufferSize(),
      liveBufferSize: settings.getLiveBufferSize(),
      readBatchSize: settings.getReadBatchSize(),
      maxSubscriberCount: settings.getMaxSubscriberCount(),
      checkPointAfter: settings.hasCheckpointAfterTicks()
        ? Math.trunc(Number(settings.getCheckpointAfterTicks()) / TICKS)
        : settings.getCheckpointAfterMs(),
      minCheckPointCount: settings.getMinCheckpointCount(),
      maxCheckPointCount: settings.getMaxCheckpointCount(),
      consumerStrategy: strategy === '' ? (STRATEGIES[named] ?? String(named)) : strategy,
      filter,
    },
  }
}

interface StreamStart {
  hasRevision(): boolean
  getRevision(): string
  hasStart(): boolean
  hasEnd(): boolean
}

function streamStart(options: StreamStart, types: string): string {
  if (options.hasStart()) return '0'
  if (options.hasEnd()) return '-1'
  if (!options.hasRevision()) throw badArgument(noCase(`${types}StreamOptions+RevisionOptionOneofCase`))
  return revision(options.getRevision())
}

function revision(text: string): string {
  const value = BigInt(text)
  if (value === MAX_UINT64) return '-1'
  if (value > MAX_INT64) throw handlerThrew()
  return String(value)
}

interface AllStart {
  getPosition(): { getCommitPosition(): string; getPreparePosition(): string } | undefined
  hasStart(): boolean
  hasEnd(): boolean
}

/** Where a request to update leaves it out, EventStoreDB fails in another way than with a request to create. */
function allStart(options: AllStart, types: typeof CREATE | typeof UPDATE): string {
  if (options.hasStart()) return 'C:0/P:0'
  if (options.hasEnd()) return 'C:-1/P:-1'
  const position = options.getPosition()
  if (position === undefined) {
    throw types === CREATE ? badArgument(noCase(`${CREATE}AllOptions+AllOptionOneofCase`)) : handlerThrew()
  }
  const commit = BigInt(position.getCommitPosition())
  const prepare = BigInt(position.getPreparePosition())
  if (commit === MAX_UINT64 && prepare === MAX_UINT64) return 'C:-1/P:-1'
  if (commit < prepare || commit > MAX_INT64) throw handlerThrew()
  return `C:${commit}/P:${prepare}`
}
