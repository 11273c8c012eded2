import { z } from 'zod'
import type { Filter } from '../filter.ts'
import { dotnetJson } from './dotnet-json.ts'
import type { GroupSettings } from './settings.ts'

// The document that EventStoreDB keeps of its groups, member for member. A member with its type's default value (0, false)
// is left out. Two members are this node's own: `createdAt`, and the filter's `prefixes`, because `data` joins them by commas.

const number = z.number().default(0)
const flag = z.boolean().default(false)

const storedFilter = z.object({
  context: z.enum(['streamid', 'eventtype']),
  type: z.enum(['prefix', 'regex']),
  data: z.string().default(''),
  prefixes: z.array(z.string()).optional(),
  isAllStream: flag,
})

const storedGroup = z.object({
  stream: z.string(),
  group: z.string().default(''),
  filter: storedFilter.optional(),
  resolveLinkTos: flag,
  extraStatistics: flag,
  messageTimeout: number,
  startFrom: number,
  startPosition: z.string().optional(),
  createdAt: z.number().optional(),
  liveBufferSize: number,
  historyBufferSize: number,
  maxRetryCount: number,
  readBatchSize: number,
  checkPointAfter: number,
  minCheckPointCount: number,
  maxCheckPointCount: number,
  maxSubscriberCount: number,
  namedConsumerStrategy: z.string().default('RoundRobin'),
})

const storedConfig = z.object({ version: z.string(), entries: z.array(storedGroup).default([]) })

/** A group as it is written down. */
export interface GroupEntry {
  readonly stream: string
  readonly group: string
  readonly settings: GroupSettings
  /** The newest position when a group that starts from the end was created or updated. */
  readonly createdAt: number
}

/** @throws ZodError, SyntaxError when the document is none of EventStoreDB's */
export function readConfig(data: Buffer): GroupEntry[] {
  const { entries } = storedConfig.parse(JSON.parse(data.toString('utf8')))
  return entries.map((entry) => {
    const { stream, group, filter, namedConsumerStrategy, startPosition, startFrom, createdAt = 0, ...numbers } = entry
    const settings: GroupSettings = {
      ...numbers,
      startFrom: startPosition ?? String(startFrom),
      consumerStrategy: namedConsumerStrategy,
      filter: filter === undefined ? undefined : toFilter(filter),
    }
    return { stream, group, settings, createdAt }
  })
}

export function writeConfig(entries: readonly GroupEntry[]): Buffer {
  const stored = entries.map(({ stream, group, settings, createdAt }) => {
    const { filter, startFrom, consumerStrategy, ...numbers } = settings
    const isRevision = /^-?\d+$/.test(startFrom) && Number.isSafeInteger(Number(startFrom))
    return {
      stream,
      group,
      ...(filter === undefined ? {} : { filter: fromFilter(filter) }),
      ...numbers,
      ...(isRevision ? { startFrom: Number(startFrom) } : {}),
      startPosition: startFrom,
      createdAt,
      namedConsumerStrategy: consumerStrategy,
    }
  })
  return dotnetJson({ version: '2', updated: new Date().toISOString(), updatedBy: 'system', entries: stored })
}

function toFilter({ context, type, data, prefixes }: z.infer<typeof storedFilter>): Filter {
  const on = context === 'streamid' ? 'stream' : 'type'
  return type === 'regex' ? { on, regex: data } : { on, prefixes: prefixes ?? data.split(',') }
}

function fromFilter(filter: Filter): z.input<typeof storedFilter> {
  const context = filter.on === 'stream' ? 'streamid' : 'eventtype'
  if ('regex' in filter) return { context, type: 'regex', data: filter.regex, isAllStream: true }
  const { prefixes } = filter
  return { context, type: 'prefix', data: prefixes.join(','), prefixes: [...prefixes], isAllStream: true }
}
