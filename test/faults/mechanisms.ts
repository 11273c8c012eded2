import { startLoad } from './load.ts'
import type { Mutation } from './mutants.ts'
import { waitUntil } from './processes.ts'
import type { Run, Scenario } from './run.ts'

/** Each is what an invariant rests on: taken out, the invariant falls, and the checker says so. */
export interface Mechanism {
  readonly name: string
  readonly invariant: string
  readonly without: readonly Mutation[]
  /** What brings it to light. Finds nothing while the mechanism is there. */
  readonly run: Scenario['run']
}

export const mechanisms: readonly Mechanism[] = [
  {
    name: 'the fence between two projectors of one file',
    invariant: 'I3',
    without: [
      {
        file: 'src/read-model/writer.js',
        from: 'WHERE owner = ? AND position IS ?',
        to: 'WHERE ? IS NOT NULL AND (position IS ? OR TRUE)',
      },
    ],
    async run(run) {
      const store = await run.store()
      const one = run.service({ store })
      const other = run.world.service({ store, dataDir: one.dataDir, ...dist(run) })
      await one.start()
      await other.start()
      await underLoad(run, [one, other], 100)
      await other.kill()
      await one.start()
      await run.judge([one])
    },
  },
  {
    name: 'the one transaction of rows and checkpoint',
    invariant: 'I3',
    without: [
      {
        file: 'src/read-model/writer.js',
        from: 'const parked = work();',
        to: "const parked = work(); this.#db.$client.exec('COMMIT; BEGIN IMMEDIATE');",
      },
    ],
    async run(run) {
      const service = run.service({ store: await run.store() })
      await service.start({ ROLLBOOK_FAILPOINTS: 'projector.checkpoint-written=kill@20' })
      await dies(run, service)
      await service.start()
      await run.judge([service])
    },
  },
  {
    name: 'the canonical email as the name of the stream',
    invariant: 'I1',
    without: [
      { file: 'src/users/registration.js', from: 'user.id(request.canonicalEmail)', to: 'user.id(request.email)' },
    ],
    async run(run) {
      const service = run.service({ store: await run.store() })
      await service.start()
      const person = run.person()
      for (const email of [person, person.toUpperCase()]) {
        await run.client(service).register(run.intent({ person, email }))
      }
      await run.judge([service])
    },
  },
  {
    name: 'the idempotency key in the event',
    invariant: 'I2',
    without: [
      {
        file: 'src/users/registration.js',
        from: 'request.idempotencyKey === undefined ? undefined : fingerprint(request, request.idempotencyKey)',
        to: 'undefined',
      },
    ],
    async run(run) {
      const service = run.service({ store: await run.store() })
      await service.start()
      const intent = run.intent()
      for (const _ of ['first', 'again']) await run.client(service).register(intent)
      await run.judge([service])
    },
  },
  {
    name: 'the commit before the answer',
    invariant: 'I2',
    without: [
      {
        file: 'src/embedded-node/log.js',
        from: 'this.#statements.begin.run();',
        to: 'if (!database.inTransaction) this.#statements.begin.run();',
      },
      {
        file: 'src/embedded-node/log.js',
        from: 'this.#statements.commit.run();',
        to: 'this.later ??= setInterval(() => database.inTransaction && this.#statements.commit.run(), 300);',
      },
    ],
    async run(run) {
      const service = run.service()
      await service.start()
      const load = startLoad(run, [service])
      await waitUntil(() => run.history.count('ok') > 30, 'some to be confirmed')
      await service.kill()
      await load.stop()
      // It would not be ready with a read model that is ahead of the log.
      await service.start({}, 'listening')
      await run.judge([service])
    },
  },
]

const dist = ({ settings }: Run) => (settings.dist === undefined ? {} : { dist: settings.dist })

async function underLoad(run: Run, services: Parameters<typeof startLoad>[1], confirmed: number): Promise<void> {
  const load = startLoad(run, services)
  await waitUntil(() => run.history.count('ok') > confirmed, 'some to be confirmed')
  await load.stop()
}

async function dies(run: Run, service: Parameters<Run['client']>[0]): Promise<void> {
  const load = startLoad(run, [service])
  await waitUntil(() => !service.isRunning, 'it to die')
  await load.stop()
}
