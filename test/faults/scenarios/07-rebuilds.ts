import { readdirSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { startLoad } from '../load.ts'
import { waitUntil } from '../processes.ts'
import type { Run, Scenario } from '../run.ts'
import type { ServiceUnderTest } from '../world.ts'

/** Rebuilds one after another, two at once, and killed half way, while clients write and read. */
export const rebuilds: Scenario = {
  number: 7,
  name: 'rebuilds under load',
  async run(run) {
    const service = run.service(run.settings.storeUrl ? { store: await run.store() } : {})
    await service.start()
    const load = startLoad(run, [service])
    const readers = startReaders(run, service)
    await waitUntil(() => run.history.count('ok') > 100, 'some users')
    for (let round = 0; round < 3 || !run.isOver; round++) {
      await [atOnce, killedHalfWay, alone][round % 3]?.(run, service)
      run.faults++
    }
    await load.stop()
    await readers.stop()
    const { failedQueries } = run.history
    run.promise(failedQueries.length === 0, `no query fails: ${failedQueries[0]}`)
    await run.judge([service])
    await alone(run, service)
    await waitUntil(() => databases(service).length === 1, 'old files to be removed')
  },
}

async function alone(run: Run, service: ServiceUnderTest): Promise<void> {
  const before = timesServed(service)
  const rebuild = service.run('rebuild')
  run.promise((await rebuild.ended) === 0, `a rebuild succeeds: ${rebuild.output()}`)
  await waitUntil(() => timesServed(service) > before, 'the new file to be taken up')
}

/** One of them does it. The other is refused, if it did not come after the first. */
async function atOnce(run: Run, service: ServiceUnderTest): Promise<void> {
  const both = [service.run('rebuild'), service.run('rebuild')]
  const codes = await Promise.all(both.map(({ ended }) => ended))
  run.promise(codes.includes(0), `one of two rebuilds succeeds: ${both.map(({ output }) => output()).join()}`)
  for (const [index, rebuild] of both.entries()) {
    if (codes[index] === 0) continue
    const isRefused = /^rollbook: a read model is being built in .* already\nhint: .*\n$/.test(rebuild.output())
    run.promise(isRefused, `the other one is refused: ${rebuild.output()}`)
  }
}

async function killedHalfWay(run: Run, service: ServiceUnderTest): Promise<void> {
  const rebuild = service.run('rebuild', { ROLLBOOK_FAILPOINTS: 'rebuild.batch-written=kill@2' })
  run.promise((await rebuild.ended) === 'SIGKILL', `a rebuild dies half way: ${rebuild.output()}`)
  run.kills++
}

function startReaders(run: Run, service: ServiceUnderTest): { stop(): Promise<void> } {
  let isStopped = false
  const reader = async () => {
    let seen = 0
    while (!isStopped) {
      const total = await run.client(service).total()
      run.promise((total ?? seen) >= seen, `the total of ${seen} went back to ${total}`)
      seen = total ?? seen
      await setTimeout(2)
    }
  }
  const readers = [reader(), reader()]
  return {
    async stop() {
      isStopped = true
      await Promise.all(readers)
    },
  }
}

const timesServed = ({ command }: ServiceUnderTest) => command.output().split('read model is served').length - 1

const databases = ({ readModelDir }: ServiceUnderTest) =>
  readdirSync(readModelDir).filter((name) => /^\d+\.sqlite$/.test(name))
