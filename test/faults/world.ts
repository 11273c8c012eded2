import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Command, DIST, printed, run, waitUntil } from './processes.ts'
import { startProxy, type ToxicProxy } from './proxy.ts'

/** Longest time for a process to start and to be ready, in milliseconds: other tests may have the processor. */
const PATIENCE = 60_000

/** A process that is started, ended and started again. */
abstract class Restarted {
  #command: Command | undefined
  #starts = 0

  protected abstract launch(environment: Record<string, string>): Command

  protected async begin(environment: Record<string, string>): Promise<Command> {
    await this.kill()
    this.#starts++
    this.#command = this.launch(environment)
    return this.#command
  }

  /** How often it was started: which process it is now. */
  get starts(): number {
    return this.#starts
  }

  get command(): Command {
    if (!this.#command) throw new Error('the process was never started')
    return this.#command
  }

  get isRunning(): boolean {
    const child = this.#command?.process
    return child !== undefined && child.exitCode === null && child.signalCode === null
  }

  /** As a crash would, wherever it is. */
  async kill(): Promise<void> {
    this.#command?.process.kill('SIGKILL')
    await this.#command?.ended
  }

  /** As an orchestrator would. Gives the exit code. */
  async terminate(): Promise<number | NodeJS.Signals> {
    this.command.process.kill('SIGTERM')
    return this.command.ended
  }

  freeze(): void {
    this.command.process.kill('SIGSTOP')
  }

  thaw(): void {
    this.command.process.kill('SIGCONT')
  }
}

/** The embedded node alone. It keeps its port, so that those who are connected to it find it again. */
export class NodeUnderTest extends Restarted {
  readonly dataDir: string
  #port = 0

  constructor(dataDir: string) {
    super()
    this.dataDir = dataDir
  }

  get port(): number {
    return this.#port
  }

  get url(): string {
    return `esdb://127.0.0.1:${this.#port}?tls=false`
  }

  async start(environment: Record<string, string> = {}): Promise<void> {
    const command = await this.begin(environment)
    this.#port = Number(await printed(command, /Event store: esdb:\/\/127\.0\.0\.1:(\d+)/))
  }

  protected override launch(environment: Record<string, string>): Command {
    return run(['node', '--data-dir', this.dataDir, '--port', String(this.#port)], environment)
  }
}

export interface ServiceSettings {
  /** Connection string; without it, the service runs the embedded node. */
  readonly store?: string
  /** Of another service, to stand beside it on the same files. */
  readonly dataDir?: string
  /** The compiled service. */
  readonly dist?: string
}

export class ServiceUnderTest extends Restarted {
  readonly name: string
  readonly dataDir: string
  readonly #dist: string
  readonly #store: string | undefined
  #url = ''
  #storeUrl: string

  constructor(name: string, dataDir: string, { store, dist = DIST }: ServiceSettings) {
    super()
    this.name = name
    this.dataDir = dataDir
    this.#store = store
    this.#storeUrl = store ?? ''
    this.#dist = dist
  }

  /** Changes with each start. */
  get url(): string {
    return this.#url
  }

  /** Of the store that it uses, its own or the one that it was given. */
  get storeUrl(): string {
    return this.#storeUrl
  }

  get readModelDir(): string {
    return join(this.dataDir, 'read-model')
  }

  async start(environment: Record<string, string> = {}, until: 'ready' | 'listening' = 'ready'): Promise<void> {
    const command = await this.begin(environment)
    this.#url = await printed(command, /API: (http:\/\/[^\s"]+)/)
    this.#storeUrl = this.#store ?? (await printed(command, /Event store: (esdb:\/\/[^\s"]+)/))
    if (until === 'ready') await this.ready()
  }

  async ready(deadline = PATIENCE): Promise<void> {
    try {
      await waitUntil(() => this.isReady(), `${this.name} to be ready`, deadline)
    } catch (error) {
      const health = await fetch(`${this.#url}/health/ready`).then((response) => response.text(), String)
      throw new Error(`${error instanceof Error ? error.message : error}: ${health}`, { cause: error })
    }
  }

  async isReady(): Promise<boolean> {
    if (!this.isRunning) throw new Error(`${this.name} has ended:\n${this.command.output()}`)
    return fetch(`${this.#url}/health/ready`).then(
      (response) => response.ok,
      () => false,
    )
  }

  /** Another command of the command line on the same data. */
  run(command: 'rebuild' | 'verify' | 'status', environment: Record<string, string> = {}): Command {
    return run([command], { ...this.#environment(), ...environment }, { dist: this.#dist })
  }

  protected override launch(environment: Record<string, string>): Command {
    return run(['serve'], { ...this.#environment(), ...environment }, { dist: this.#dist })
  }

  #environment(): Record<string, string> {
    return { DATA_DIR: this.dataDir, ...(this.#store !== undefined && { EVENTSTORE_URL: this.#store }) }
  }
}

/** The processes, proxies and folders of a run. They go with it. */
export class World implements AsyncDisposable {
  readonly #closing: (() => unknown)[] = []
  #services = 0

  directory(): string {
    const directory = mkdtempSync(join(tmpdir(), 'rollbook-faults-'))
    this.atEnd(() => rmSync(directory, { recursive: true, force: true }))
    return directory
  }

  node(dataDir = this.directory()): NodeUnderTest {
    const node = new NodeUnderTest(dataDir)
    this.atEnd(() => node.kill())
    return node
  }

  service(settings: ServiceSettings = {}): ServiceUnderTest {
    const dataDir = settings.dataDir ?? this.directory()
    const service = new ServiceUnderTest(`service ${++this.#services}`, dataDir, settings)
    this.atEnd(() => service.kill())
    return service
  }

  /** Gives the connection string that leads through the proxy, too. */
  async proxy(port: number): Promise<ToxicProxy & { readonly url: string }> {
    const proxy = await startProxy({ host: '127.0.0.1', port })
    this.atEnd(() => proxy.close())
    return { ...proxy, url: `esdb://127.0.0.1:${proxy.port}?tls=false` }
  }

  /** The last thing that was asked for is done first. */
  atEnd(step: () => unknown): void {
    this.#closing.push(step)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const step of this.#closing.splice(0).reverse()) await step()
  }
}
