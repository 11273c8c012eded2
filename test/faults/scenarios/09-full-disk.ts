import { execFileSync } from 'node:child_process'
import { appendFileSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { startLoad } from '../load.ts'
import { waitUntil } from '../processes.ts'
import type { Run, Scenario } from '../run.ts'

/** Room on each disk, in MiB: for what a run registers, and a write-ahead log of 32. Ballast takes what is left. */
const DISK = { short: 64, long: 512 }

/** The disk is full under the log, or under the read model, and then has room again. */
export const fullDisk: Scenario = {
  number: 9,
  name: 'full disk',
  async run(run) {
    const [log, readModel] = [
      mountDisk(run, run.world.directory()),
      mountDisk(run, join(run.world.directory(), 'read-model')),
    ]
    if (log === undefined || readModel === undefined) {
      run.notes.push('not run: it takes the right to mount a tmpfs, which this user or this platform has not')
      return
    }
    const node = run.world.node(log)
    await node.start()
    const service = run.service({ store: node.url, dataDir: join(readModel, '..') })
    await service.start()
    const load = startLoad(run, [service])
    for (let round = 0; round < 2 || !run.isOver; round++) {
      const disk = round % 2 === 0 ? log : readModel
      await setTimeout(run.random.integer(100, 400))
      fillDisk(disk)
      run.faults++
      // The service tries again for as long as its deadline lets it.
      if (round === 0) await waitUntil(() => unavailable(run) > 0, 'a registration to be refused')
      else await setTimeout(run.random.integer(300, 1_200))
      rmSync(join(disk, 'ballast'))
      const before = run.history.count('ok')
      await waitUntil(() => run.history.count('ok') > before, 'registrations to succeed again')
      await service.ready()
    }
    await load.stop()
    await run.judge([service])
  },
}

const unavailable = ({ history }: Run) =>
  history.registrations.filter(({ outcome }) => outcome.kind !== 'ok' && outcome.reason === 'event-store-unavailable')
    .length

/** A tmpfs, which goes with the run. Undefined where none may be mounted. */
function mountDisk({ world, settings }: Run, folder: string): string | undefined {
  mkdirSync(folder, { recursive: true })
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK[settings.scale]}m`, 'tmpfs', folder], { stdio: 'ignore' })
  } catch {
    return undefined
  }
  world.atEnd(() => execFileSync('umount', ['--lazy', folder]))
  return folder
}

/** Others write to it at the same time: it is full where nothing more can be written. */
function fillDisk(folder: string): void {
  for (const size of [2 ** 20, 4_096]) {
    try {
      for (;;) appendFileSync(join(folder, 'ballast'), Buffer.alloc(size))
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error
    }
  }
}
