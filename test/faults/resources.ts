import { readdirSync, readFileSync } from 'node:fs'
import type { ServiceUnderTest } from './world.ts'

/** What Linux says of a process; undefined elsewhere. */
export function resourcesOf({ command }: ServiceUnderTest): Resources | undefined {
  if (process.platform !== 'linux') return undefined
  const proc = `/proc/${command.process.pid}`
  const status = readFileSync(`${proc}/status`, 'utf8')
  const megabytes = (field: string) => Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) / 1_024
  return { rss: megabytes('VmRSS'), peak: megabytes('VmHWM'), descriptors: readdirSync(`${proc}/fd`).length }
}

export interface Resources {
  /** MiB in memory, now and at most so far. */
  readonly rss: number
  readonly peak: number
  readonly descriptors: number
}
