import { setTimeout } from 'node:timers/promises'
import { z } from 'zod'
import { type Load, startLoad } from '../load.ts'
import { readLog } from '../log.ts'
import type { Run, Scenario } from '../run.ts'
import type { ServiceUnderTest } from '../world.ts'

const DAY = 86_400_000

const page = z.object({ _embedded: z.object({ users: z.array(z.object({ id: z.string() })) }) })

/** Longest time for an answer, in milliseconds: a deadline that went by the clock would come a day late, or at once. */
const LONGEST = 10_000

const MOST_ROUNDS = 6

/** The clock of the service and of its store is set back by a day, then forth again, under load. */
export const clock: Scenario = {
  number: 10,
  name: 'clock set back by a day',
  async run(run) {
    const service = run.service()
    let load: Load | undefined
    let startTook = 0
    let wentBack = false
    for (let round = 0; round < 2 || !run.isOver || (!wentBack && round < MOST_ROUNDS); round++) {
      // The clock is to go back and forth while it works, which on a busy machine it does late.
      const now = Date.now()
      const start = now + 1_500 + 2 * startTook
      await service.start({ ROLLBOOK_CLOCK: `${start}:${-DAY},${start + 1_000}:0,${start + 1_500}:${-DAY}` })
      startTook = Date.now() - now
      load ??= startLoad(run, [service])
      run.faults += 3
      await setTimeout(Math.max(0, start + 2_500 - Date.now()))
      await rebuildsUnderTheClock(run, service)
      wentBack ||= await clockWentBack(service)
      run.promise((await service.terminate()) === 0, 'it ends with 0')
    }
    run.promise(wentBack, 'the clock went back while the store recorded')
    await load?.stop()
    await service.start()
    await run.judge([service])
    await orderIsOfPositions(run, service)
  },
}

/** The new file is newer than the old one, whatever the clock says. */
async function rebuildsUnderTheClock(run: Run, service: ServiceUnderTest): Promise<void> {
  // It takes the time that the log takes, which is long at the end of a long run.
  const rebuild = service.run('rebuild', { ROLLBOOK_CLOCK: `0:${-2 * DAY}` })
  run.promise((await rebuild.ended) === 0, `a rebuild two days ago: ${rebuild.output()}`)
  const started = performance.now()
  const outcome = await run.client(service).register(run.intent())
  run.promise(outcome.kind === 'ok', `a registration a day ago: ${JSON.stringify(outcome)}`)
  const took = performance.now() - started
  run.promise(took < LONGEST, `it took ${Math.round(took)} ms`)
}

/** The list is in the order of the log, though its times are not. */
async function orderIsOfPositions(run: Run, { url, storeUrl }: ServiceUnderTest): Promise<void> {
  const response = await fetch(`${url}/users?limit=200`)
  const listed = page.parse(await response.json())._embedded.users.map(({ id }) => id)
  const log = await readLog(storeUrl)
  const newest = log.flatMap(({ user }) => user?.id ?? []).slice(-listed.length)
  run.promise(String(listed) === String(newest.reverse()), 'the list is in the order of the log')
}

async function clockWentBack({ storeUrl }: ServiceUnderTest): Promise<boolean> {
  const log = await readLog(storeUrl)
  return log.some(({ created }, index) => created < (log[index - 1]?.created ?? 0) - DAY / 2)
}
