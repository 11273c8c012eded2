import { setTimeout } from 'node:timers/promises'
import { startLoad } from '../load.ts'
import { waitUntil } from '../processes.ts'
import type { Run, Scenario } from '../run.ts'
import type { ServiceUnderTest } from '../world.ts'

/** Two services on one data directory: the later one takes the file over, the other one stops applying events. */
export const twoProjectors: Scenario = {
  number: 11,
  name: 'two projectors on one file',
  async run(run) {
    const store = await run.store()
    const one = run.service({ store })
    const other = run.world.service({ store, dataDir: one.dataDir })
    await one.start()
    const load = startLoad(run, [one])
    for (let round = 0; round < 2 || !run.isOver; round++) {
      const [first, second] = round % 2 === 0 ? [one, other] : [other, one]
      await setTimeout(run.random.integer(50, 300))
      await second.start()
      await isFenced(run, first)
      run.faults++
      if (run.random.chance(50)) {
        await first.kill()
        run.kills++
      } else run.promise((await first.terminate()) === 0, 'the fenced one ends with 0')
    }
    if (!one.isRunning) await one.start()
    await load.stop()
    await other.kill()
    await one.ready()
    await run.judge([one])
  },
}

async function isFenced(run: Run, service: ServiceUnderTest): Promise<void> {
  const said = async () => (await fetch(`${service.url}/health/ready`)).text()
  await waitUntil(async () => (await said()).includes('another projector has taken over'), 'the first to be fenced')
  const { status } = await fetch(`${service.url}/health/ready`)
  run.promise(status === 503, `the fenced one is not ready: ${status}`)
}
