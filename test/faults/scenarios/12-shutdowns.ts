import { setTimeout } from 'node:timers/promises'
import { startLoad } from '../load.ts'
import { readLog } from '../log.ts'
import type { Run, Scenario } from '../run.ts'
import type { ServiceUnderTest } from '../world.ts'

/** Most milliseconds that a shutdown may take. */
const LONGEST = 10_000

/** SIGTERM under load: who was accepted is answered, then the process ends with 0. */
export const shutdowns: Scenario = {
  number: 12,
  name: 'shutdowns under load',
  async run(run) {
    const store = await run.store()
    const service = run.service({ store })
    for (let round = 0; round < 3 || !run.isOver; round++) {
      await service.start()
      const load = startLoad(run, [service], { clients: 24 })
      await setTimeout(run.random.integer(20, 500))
      const started = performance.now()
      const code = await service.terminate()
      const took = Math.round(performance.now() - started)
      run.faults++
      run.promise(code === 0, `it ends with 0: ${code}\n${service.command.output()}`)
      run.promise(took < LONGEST, `it ends in ${took} ms`)
      await load.stop()
    }
    await acceptedWereAnswered(run, service)
    await service.start()
    await run.judge([service])
  },
}

/** What is in the log was accepted: who asked for it must have been told so. */
async function acceptedWereAnswered(run: Run, { storeUrl }: ServiceUnderTest): Promise<void> {
  const told = new Set<string>()
  const untold = new Map<string, string>()
  for (const { intent, outcome } of run.history.registrations) {
    if (outcome.kind === 'ok') told.add(intent.name)
    if (outcome.kind === 'unknown') untold.set(intent.name, outcome.reason)
  }
  for (const { user } of await readLog(storeUrl)) {
    if (!user || told.has(user.name) || !untold.has(user.name)) continue
    run.promise(false, `${user.name} was accepted, and not answered: ${untold.get(user.name)}`)
  }
}
