import type streams from '@eventstore/db-client/generated/streams_pb.js'
import type { UuidForm } from './event-message.ts'
import { type CompiledFilter, compileFilter } from './filter.ts'
import { badArgument, handlerThrew } from './status.ts'

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
const MAX_INT64 = 2n ** 63n - 1n
const MAX_UINT64 = 2n ** 64n - 1n

/** @throws Failure for combinations of options that EventStoreDB refuses */
export function parseReadRequest(request: streams.ReadReq): ReadRequest {
  const options = request.getOptions()
  if (options === undefined) throw badArgument('options are missing')
  const common: Common = { resolveLinks: options.getResolveLinks(), form: uuidForm(options) }
  const backwards = options.getReadDirection() === BACKWARDS
  const subscription = options.hasSubscription()
  if (!subscription && !options.hasCount()) throw badArgument('Neither count nor subscription is set')
  if (subscription && backwards) throw badArgument('A subscription reads forwards')
  if (!options.hasFilter() && !options.hasNoFilter()) throw badArgument('Neither filter nor no_filter is set')
  const count = subscription ? 0 : toSafe(BigInt(options.getCount()))
  const streamOptions = options.getStream()
  if (streamOptions !== undefined) {
    if (options.hasFilter()) throw badArgument('A filter is for reads of $all only')
    const stream = Buffer.from(streamOptions.getStreamIdentifier()?.getStreamName_asU8() ?? []).toString('utf8')
    if (stream === '' || stream === '$$') throw handlerThrew()
    const from = streamStart(streamOptions)
    if (subscription) return { kind: 'stream-subscription', stream, from, ...common }
    return { kind: 'stream', stream, from: from === 'start' ? 0 : from, backwards, count, ...common }
  }
  const all = options.getAll()
  if (all === undefined) throw badArgument('Neither stream nor all is set')
  const from = allStart(all)
  const filterOptions = options.getFilter()
  const filter = filterOptions === undefined ? undefined : parseFilter(filterOptions)
  if (!subscription) return { kind: 'all', from, backwards, count, filter, ...common }
  const checkpointInterval = filterOptions === undefined ? 0 : parseInterval(filterOptions)
  return { kind: 'all-subscription', from, filter, checkpointInterval, ...common }
}

function uuidForm(options: Options): UuidForm {
  return options.getUuidOption()?.hasStructured() === true ? 'structured' : 'string'
}

function streamStart(options: streams.ReadReq.Options.StreamOptions): From {
  if (options.hasStart()) return 'start'
  if (options.hasEnd()) return 'end'
  if (!options.hasRevision()) throw badArgument('None of revision, start and end is set')
  const revision = BigInt(options.getRevision())
  if (revision === MAX_UINT64) return 'end'
  if (revision > MAX_INT64) throw handlerThrew()
  return toSafe(revision)
}

function allStart(options: streams.ReadReq.Options.AllOptions): From {
  if (options.hasStart()) return 'start'
  if (options.hasEnd()) return 'end'
  const position = options.getPosition()
  if (position === undefined) throw badArgument('None of position, start and end is set')
  const commit = BigInt(position.getCommitPosition())
  const prepare = BigInt(position.getPreparePosition())
  if (commit === MAX_UINT64 && prepare === MAX_UINT64) return 'end'
  if (prepare > commit || commit > MAX_INT64) throw handlerThrew()
  return toSafe(commit)
}

function parseFilter(options: streams.ReadReq.Options.FilterOptions): CompiledFilter {
  const on = options.hasEventType() ? 'type' : 'stream'
  const expression = options.getEventType() ?? options.getStreamIdentifier()
  if (expression === undefined) throw badArgument('Neither stream_identifier nor event_type of the filter is set')
  const regex = expression.getRegex()
  try {
    return compileFilter(regex === '' ? { on, prefixes: expression.getPrefixList() } : { on, regex })
  } catch (error) {
    throw badArgument(`The filter's regex is not valid here: ${error instanceof Error ? error.message : String(error)}`)
  }
}

function parseInterval(options: streams.ReadReq.Options.FilterOptions): number {
  const multiplier = options.getCheckpointintervalmultiplier()
  if (multiplier === 0) throw badArgument('checkpointIntervalMultiplier must be 1 or more')
  const window = options.hasMax() ? options.getMax() : DEFAULT_WINDOW
  if (window === 0) throw badArgument('The window (max) of a filter must be 1 or more')
  return multiplier * window
}

/** Numbers beyond 2^53−1 are beyond every revision, position and count there is. */
const toSafe = (value: bigint): number => Number(value > Number.MAX_SAFE_INTEGER ? Number.MAX_SAFE_INTEGER : value)
