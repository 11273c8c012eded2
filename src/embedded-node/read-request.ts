import type streams from '@eventstore/db-client/generated/streams_pb.js'
import type { UuidForm } from './event-message.ts'
import type { CompiledFilter } from './filter.ts'
import { parseFilter } from './filter-request.ts'
import { badArgument, handlerThrew, isNameTooLong, nameTooLong, noCase } from './status.ts'

interface Common {
  readonly resolveLinks: boolean
  readonly form: UuidForm
}

/** Where a read starts: an end of the log or stream, or a revision or position. */
export type From = 'start' | 'end' | number

export interface StreamRead extends Common {
  readonly kind: 'stream'
  readonly stream: string
  readonly from: 'end' | number
  readonly backwards: boolean
  readonly count: number
}

export interface AllRead extends Common {
  readonly kind: 'all'
  readonly from: From
  readonly backwards: boolean
  readonly count: number
  readonly filter: CompiledFilter | undefined
}

export interface StreamSubscription extends Common {
  readonly kind: 'stream-subscription'
  readonly stream: string
  readonly from: From
}

export interface AllSubscription extends Common {
  readonly kind: 'all-subscription'
  readonly from: From
  readonly filter: CompiledFilter | undefined
  /** Events considered between two checkpoints. */
  readonly checkpointInterval: number
}

export type ReadRequest = StreamRead | AllRead | StreamSubscription | AllSubscription

type Options = streams.ReadReq.Options

const BACKWARDS = 1
const DEFAULT_WINDOW = 32
const NO_EXPRESSION = 'Neither stream_identifier nor event_type of the filter is set'
const MAX_INT64 = 2n ** 63n - 1n
const MAX_UINT64 = 2n ** 64n - 1n

/** @throws Failure for what EventStoreDB refuses, with its code and words */
export function parseReadRequest(request: streams.ReadReq): ReadRequest {
  const options = request.getOptions()
  if (options === undefined) throw handlerThrew()
  const common: Common = { resolveLinks: options.getResolveLinks(), form: uuidForm(options) }
  const { isSubscription, hasFilter, backwards } = checkCombination(options)
  const count = isSubscription ? 0 : toSafe(BigInt(options.getCount()))
  const streamOptions = options.getStream()
  if (streamOptions !== undefined) {
    const stream = Buffer.from(streamOptions.getStreamIdentifier()?.getStreamName_asU8() ?? []).toString('utf8')
    if (stream === '' || stream === '$$') throw handlerThrew()
    if (isNameTooLong(stream)) throw badArgument(nameTooLong('The name of a stream'))
    // A subscription starts behind its revision, so there has to be one.
    const from = streamStart(streamOptions, isSubscription ? MAX_INT64 - 1n : MAX_INT64)
    if (isSubscription) return { kind: 'stream-subscription', stream, from, ...common }
    return { kind: 'stream', stream, from: from === 'start' ? 0 : from, backwards, count, ...common }
  }
  const from = allStart(options.getAll())
  const filterOptions = hasFilter ? options.getFilter() : undefined
  const filter = filterOptions && parseFilter(filterOptions, NO_EXPRESSION).compiled
  const window = filterOptions === undefined ? 0 : parseWindow(filterOptions)
  if (!isSubscription) return { kind: 'all', from, backwards, count, filter, ...common }
  const multiplier = filterOptions?.getCheckpointintervalmultiplier()
  if (multiplier === 0) throw handlerThrew()
  return { kind: 'all-subscription', from, filter, checkpointInterval: window * (multiplier ?? 0), ...common }
}

/** Streams are read without a filter; a subscription reads forwards. */
function checkCombination(options: Options): { isSubscription: boolean; hasFilter: boolean; backwards: boolean } {
  const target = options.hasStream() ? 'Stream' : options.hasAll() ? 'All' : undefined
  if (target === undefined) {
    throw badArgument(noCase('EventStore.Client.Streams.ReadReq+Types+Options+StreamOptionOneofCase'))
  }
  const isSubscription = options.hasSubscription()
  const amount = isSubscription ? 'Subscription' : options.hasCount() ? 'Count' : 'None'
  const backwards = options.getReadDirection() === BACKWARDS
  const hasFilter = options.hasFilter()
  const filter = hasFilter ? 'Filter' : options.hasNoFilter() ? 'NoFilter' : 'None'
  const isPossible =
    amount !== 'None' &&
    filter !== 'None' &&
    !(isSubscription && backwards) &&
    !(target === 'Stream' && filter === 'Filter')
  if (!isPossible) {
    const direction = backwards ? 'Backwards' : 'Forwards'
    throw badArgument(`The combination of (${target}, ${amount}, ${direction}, ${filter}) is invalid.`)
  }
  return { isSubscription, hasFilter, backwards }
}

function uuidForm(options: Options): UuidForm {
  return options.getUuidOption()?.hasString() === true ? 'string' : 'structured'
}

function streamStart(options: streams.ReadReq.Options.StreamOptions, last: bigint): From {
  if (options.hasStart()) return 'start'
  if (options.hasEnd()) return 'end'
  if (!options.hasRevision()) throw handlerThrew()
  const revision = BigInt(options.getRevision())
  if (revision === MAX_UINT64) return 'end'
  if (revision > last) throw handlerThrew()
  return toSafe(revision)
}

function allStart(options: streams.ReadReq.Options.AllOptions | undefined): From {
  if (options?.hasStart() === true) return 'start'
  if (options?.hasEnd() === true) return 'end'
  const position = options?.getPosition()
  if (position === undefined) throw handlerThrew()
  const commit = BigInt(position.getCommitPosition())
  const prepare = BigInt(position.getPreparePosition())
  if (commit === MAX_UINT64 && prepare === MAX_UINT64) return 'end'
  if (prepare > commit || commit > MAX_INT64) throw handlerThrew()
  return toSafe(commit)
}

function parseWindow(options: streams.ReadReq.Options.FilterOptions): number {
  if (options.hasCount()) return DEFAULT_WINDOW
  if (!options.hasMax()) {
    const type = 'EventStore.Client.Streams.ReadReq+Types+Options+Types+FilterOptions+WindowOneofCase'
    throw badArgument(noCase(type))
  }
  if (options.getMax() === 0) throw badArgument('The window (max) of a filter must be 1 or more')
  return options.getMax()
}

/** Numbers beyond 2^53−1 are beyond every revision, position and count there is. */
const toSafe = (value: bigint): number => Number(value > Number.MAX_SAFE_INTEGER ? Number.MAX_SAFE_INTEGER : value)
