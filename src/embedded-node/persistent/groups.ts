import { randomUUID } from 'node:crypto'
import type { Committer, ProposedEvent, WriteResult } from '../commit.ts'
import { Any } from '../decide.ts'
import { reportFault } from '../fault.ts'
import { compileFilter } from '../filter.ts'
import { metastreamOf } from '../metadata.ts'
import type { Store } from '../sources.ts'
import { type Failure, serverNotReady, shuttingDown } from '../status.ts'
import { nowMicros } from '../time.ts'
import { type GroupEntry, readConfig, writeConfig } from './config.ts'
import { dotnetJson } from './dotnet-json.ts'
import { type GroupName, groupDoesNotExist, groupExists, groupFailed } from './failures.ts'
import { Group } from './group.ts'
import { type GroupSettings, isEnd } from './settings.ts'
import { ALL, allSource, type GroupSource, streamSource } from './source.ts'
import { GroupStorage } from './storage.ts'
import { strategyOf } from './strategies.ts'

const CONFIG_STREAM = '$persistentSubscriptionConfig'
const TICK_MS = 1_000

/** The groups of a node. What they are is kept in the log, so that a restart finds them, and a backup has them. */
export class Groups {
  readonly #store: Store
  readonly #committer: Committer
  /** By stream, then by name. A stream that once had groups stays known until the next start. */
  #groups = new Map<string, Map<string, Group>>()
  #entries: readonly GroupEntry[] = []
  /** Why the groups could not be loaded. */
  #failure: Failure | undefined
  /** Changes are made one after the other. */
  #lastChange: Promise<unknown> = Promise.resolve()
  #timer: NodeJS.Timeout | undefined

  constructor(store: Store, committer: Committer) {
    this.#store = store
    this.#committer = committer
    this.#load()
  }

  /** @throws Failure when there is no such group */
  get(name: GroupName): Group {
    const group = this.#onStream(name.stream)?.get(name.group)
    if (group === undefined) throw groupDoesNotExist(name)
    return group
  }

  /** All groups on a stream, or of the node. @throws Failure when the stream never had groups */
  list(stream: string | undefined): readonly Group[] {
    const groups = this.#onStream(stream ?? '')
    if (stream === undefined) return [...this.#all()]
    if (groups === undefined) throw groupDoesNotExist({ stream, group: '' })
    return [...groups.values()]
  }

  /** @throws Failure */
  create(name: GroupName, settings: GroupSettings): Promise<void> {
    return this.#change(async () => {
      this.#check(name, settings)
      if (this.list(undefined).some(({ parts }) => parts.storage.key === keyOf(name))) throw groupExists(name)
      checkBuffers(name, settings)
      const entry = this.#entry(name, settings)
      await this.#save([...this.#entries, entry])
      this.#start(entry)
    })
  }

  /** The group's consumers are dropped, and it goes on from its checkpoint. The filter stays. @throws Failure */
  update(name: GroupName, settings: GroupSettings): Promise<void> {
    return this.#change(async () => {
      const group = this.get(name)
      const entry = this.#entry(name, { ...settings, filter: group.parts.settings.filter })
      this.#check(name, settings)
      checkBuffers(name, settings)
      await this.#save(this.#entries.map((other) => (isSame(other, name) ? entry : other)))
      group.close()
      this.#start(entry)
    })
  }

  /** @throws Failure */
  delete(name: GroupName): Promise<void> {
    return this.#change(async () => {
      const group = this.get(name)
      await this.#save(this.#entries.filter((other) => !isSame(other, name)))
      this.#groups.get(name.stream)?.delete(name.group)
      group.close()
      group.parts.storage.delete()
    })
  }

  /** Drops all consumers and begins again from what the log says. */
  restart(): Promise<void> {
    return this.#change(async () => {
      this.close()
      this.#load()
    })
  }

  /** Drops all consumers. */
  close(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
    for (const group of this.#all()) group.close()
  }

  #onStream(stream: string): Map<string, Group> | undefined {
    if (this.#failure !== undefined) throw this.#failure
    return this.#groups.get(stream)
  }

  *#all(): Generator<Group> {
    for (const groups of this.#groups.values()) yield* groups.values()
  }

  #change<T>(run: () => Promise<T>): Promise<T> {
    const change = this.#lastChange.then(run)
    this.#lastChange = change.catch(() => {})
    return change
  }

  /** @throws Failure for settings that EventStoreDB refuses */
  #check(name: GroupName, settings: GroupSettings): void {
    const { consumerStrategy, startFrom } = settings
    if (strategyOf(consumerStrategy) === undefined) {
      throw groupFailed(name, `Consumer strategy ${consumerStrategy} does not exist.`)
    }
    const position = this.#source(name.stream, settings).parse(startFrom) ?? -1
    if (name.stream === ALL && position > this.#store.log.lastPosition) {
      throw groupFailed(
        name,
        'Invalid Start From position: commit position must be less than or equal to the last commit position in the transaction file.',
      )
    }
  }

  #entry({ stream, group }: GroupName, settings: GroupSettings): GroupEntry {
    const createdAt = isEnd(settings.startFrom) ? this.#source(stream, settings).last() : 0
    return { stream, group, settings, createdAt }
  }

  #source(stream: string, { filter }: GroupSettings): GroupSource {
    if (stream !== ALL) return streamSource(this.#store, stream)
    return allSource(this.#store, filter === undefined ? undefined : compileFilter(filter))
  }

  #start({ stream, group, settings, createdAt }: GroupEntry): void {
    const source = this.#source(stream, settings)
    const storage = new GroupStorage(this.#store, this.#committer, keyOf({ stream, group }))
    const strategy = strategyOf(settings.consumerStrategy)
    if (strategy === undefined) throw new Error(`There is no consumer strategy ${settings.consumerStrategy}`)
    const { writer } = this.#store
    const groups = this.#groups.get(stream) ?? new Map<string, Group>()
    groups.set(group, new Group({ group, source, settings, createdAt, storage, strategy, writer }))
    this.#groups.set(stream, groups)
    this.#timer ??= setInterval(() => this.#tick(), TICK_MS).unref()
  }

  #tick(): void {
    const now = performance.now()
    for (const group of this.#all()) group.tick(now)
  }

  #load(): void {
    this.#groups = new Map()
    this.#failure = undefined
    try {
      const { streams } = this.#store
      const event = streams.readableAt(CONFIG_STREAM, streams.last(CONFIG_STREAM), nowMicros())
      this.#entries = event === undefined ? [] : readConfig(event.data)
      for (const entry of this.#entries) this.#tryStart(entry)
    } catch (error) {
      // To go on without them would write a document without them over the one that cannot be read.
      reportFault(error)
      this.#failure = serverNotReady(`${CONFIG_STREAM} cannot be read`)
    }
  }

  /** A group that another version wrote down in a way that this one does not know is left out, and stays written. */
  #tryStart(entry: GroupEntry): void {
    try {
      this.#start(entry)
    } catch (error) {
      reportFault(error)
    }
  }

  /** @throws Failure when the document is not on the disk */
  async #save(entries: readonly GroupEntry[]): Promise<void> {
    const isNew = this.#store.streams.isMissing(CONFIG_STREAM)
    if (isNew) await this.#append(metastreamOf(CONFIG_STREAM), '$metadata', dotnetJson({ $maxCount: 2 }))
    await this.#append(CONFIG_STREAM, '$PersistentConfig', writeConfig(entries))
    this.#entries = entries
  }

  async #append(stream: string, type: string, data: Buffer): Promise<void> {
    const event: ProposedEvent = { id: randomUUID(), type, json: true, metadata: Buffer.alloc(0), data }
    const result = await new Promise<WriteResult>((answer) =>
      this.#committer.write({ kind: 'append', stream, expected: Any, events: [event], answer }),
    )
    if (result.kind === 'done') return
    if (result.kind === 'failed' && result.stopping) throw shuttingDown()
    throw serverNotReady(result.kind === 'failed' ? result.reason : `${stream} cannot be written to`)
  }
}

const isSame = (entry: GroupEntry, { stream, group }: GroupName): boolean =>
  entry.stream === stream && entry.group === group

/** What a group's own streams are named by: not every pair of names has another one. */
const keyOf = ({ stream, group }: GroupName): string => `${stream}::${group}`

/** @throws Failure in the words of .NET, which takes the first text for the name of a parameter */
function checkBuffers(name: GroupName, { readBatchSize, historyBufferSize }: GroupSettings): void {
  if (readBatchSize < historyBufferSize) return
  const parameter = 'ReadBatchSize may not be greater than or equal to BufferSize'
  throw groupFailed(name, `Specified argument was out of range of the valid values. (Parameter '${parameter}')`)
}
