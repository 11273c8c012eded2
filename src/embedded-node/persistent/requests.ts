import type persistent from '@eventstore/db-client/generated/persistent_pb.js'
import type shared from '@eventstore/db-client/generated/shared_pb.js'
import { compileFilter, type Filter } from '../filter.ts'
import { badArgument, handlerThrew } from '../status.ts'
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

/** @throws Failure */
export function parseCreate(request: persistent.CreateReq): GroupRequest {
  const options = request.getOptions()
  const settings = options?.getSettings()
  if (options === undefined || settings === undefined) throw handlerThrew()
  const filterOptions = options.getAll()?.getFilter()
  const filter = filterOptions === undefined ? undefined : parseFilter(filterOptions)
  return parseChange(options, settings, settings.getConsumerStrategy(), filter)
}

/** An update cannot name a strategy by its name, and cannot change the filter. @throws Failure */
export function parseUpdate(request: persistent.UpdateReq): GroupRequest {
  const options = request.getOptions()
  const settings = options?.getSettings()
  if (options === undefined || settings === undefined) throw handlerThrew()
  return parseChange(options, settings, '', undefined)
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

export const nameOf = (identifier: shared.StreamIdentifier | undefined): string =>
  Buffer.from(identifier?.getStreamName_asU8() ?? []).toString('utf8')

function checkStream(name: GroupName): void {
  if (name.stream === '') throw groupFailed(name, 'Bad stream name.')
  if (name.stream === ALL) {
    throw groupFailed(name, 'Persistent subscriptions to $all are only supported over gRPC through gRPC clients')
  }
}

function parseChange(
  options: ChangeOptions,
  settings: Settings,
  strategy: string,
  filter: Filter | undefined,
): GroupRequest {
  const all = options.getAll()
  const streamOptions = options.getStream()
  const stream = all === undefined ? nameOf(streamOptions?.getStreamIdentifier() ?? options.getStreamIdentifier()) : ALL
  const name = { stream, group: options.getGroupName() }
  if (all === undefined) checkStream(name)
  const startFrom =
    all !== undefined
      ? allStart(all)
      : streamOptions !== undefined
        ? streamStart(streamOptions)
        : revision(settings.getRevision())
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

function streamStart(options: StreamStart): string {
  if (options.hasStart()) return '0'
  if (options.hasEnd()) return '-1'
  if (!options.hasRevision()) throw badArgument('None of revision, start and end is set')
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

function allStart(options: AllStart): string {
  if (options.hasStart()) return 'C:0/P:0'
  if (options.hasEnd()) return 'C:-1/P:-1'
  const position = options.getPosition()
  if (position === undefined) throw badArgument('None of position, start and end is set')
  const commit = BigInt(position.getCommitPosition())
  const prepare = BigInt(position.getPreparePosition())
  if (commit === MAX_UINT64 && prepare === MAX_UINT64) return 'C:-1/P:-1'
  if (commit < prepare || commit > MAX_INT64) throw handlerThrew()
  return `C:${commit}/P:${prepare}`
}

function parseFilter(options: persistent.CreateReq.AllOptions.FilterOptions): Filter {
  const on = options.hasEventType() ? 'type' : 'stream'
  const expression = options.getEventType() ?? options.getStreamIdentifier()
  if (expression === undefined) throw badArgument('Neither stream_identifier nor event_type of the filter is set')
  const regex = expression.getRegex()
  const filter: Filter = regex === '' ? { on, prefixes: expression.getPrefixList() } : { on, regex }
  try {
    compileFilter(filter)
  } catch (error) {
    throw badArgument(`The filter's regex is not valid here: ${error instanceof Error ? error.message : String(error)}`)
  }
  return filter
}
