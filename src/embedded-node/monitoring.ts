import { statfsSync } from 'node:fs'
import { freemem, loadavg, totalmem } from 'node:os'
import { dirname } from 'node:path'
import monitoring from '@eventstore/db-client/generated/monitoring_pb.js'
import type * as grpc from '@grpc/grpc-js'
import type { Log } from './log.ts'
import { shuttingDown } from './status.ts'

/** Numbers by name, under EventStoreDB's names where it has them. */
export type Statistics = Readonly<Record<string, string | number>>

/** Shortest and longest time between two messages, in milliseconds. */
const SHORTEST = 100
const LONGEST = 2 ** 31 - 1

/** The Monitoring service: the statistics of all sources, at once and then at every period, until the client goes. */
export class MonitoringCalls {
  readonly #sources: readonly (() => Statistics)[]
  readonly #open = new Set<() => void>()

  constructor(sources: readonly (() => Statistics)[]) {
    this.#sources = sources
  }

  readonly handlers = {
    stats: (call: grpc.ServerWritableStream<monitoring.StatsReq, monitoring.StatsResp>): void => {
      let mayWrite = true
      const send = (): void => {
        // A client that takes them slowly misses some.
        if (mayWrite) mayWrite = call.write(this.#collect())
      }
      const period = Math.min(Math.max(Number(call.request.getRefreshTimePeriodInMs()), SHORTEST), LONGEST)
      const timer = setInterval(send, period)
      const close = (): void => {
        clearInterval(timer)
        this.#open.delete(shutDown)
      }
      const shutDown = (): void => {
        close()
        call.emit('error', shuttingDown().status)
      }
      this.#open.add(shutDown)
      call.on('drain', () => {
        mayWrite = true
      })
      call.on('cancelled', close)
      call.on('close', close)
      send()
    },
  }

  /** Ends every open call with UNAVAILABLE. */
  close(): void {
    for (const close of [...this.#open]) close()
  }

  #collect(): monitoring.StatsResp {
    const response = new monitoring.StatsResp()
    const map = response.getStatsMap()
    for (const source of this.#sources) {
      for (const [name, value] of Object.entries(source())) map.set(name, String(value))
    }
    return response
  }
}

/** Memory, processor and connections of this process, and what its machine has. */
export function processStatistics(): () => Statistics {
  const startTime = new Date(Date.now() - process.uptime() * 1000).toISOString()
  let before = { at: performance.now(), cpu: process.cpuUsage() }
  return () => {
    const now = { at: performance.now(), cpu: process.cpuUsage(before.cpu) }
    const elapsed = Math.max(now.at - before.at, 1)
    const cpu = (now.cpu.user + now.cpu.system) / 1000 / elapsed
    before = { at: now.at, cpu: process.cpuUsage() }
    const [oneMinute = 0, fiveMinutes = 0, fifteenMinutes = 0] = loadavg()
    const { rss, heapTotal, heapUsed } = process.memoryUsage()
    return {
      'proc-startTime': startTime,
      'proc-id': process.pid,
      'proc-mem': rss,
      'proc-cpu': cpu * 100,
      'proc-gc-totalBytesInHeaps': heapUsed,
      'proc-gc-heapSize': heapTotal,
      'proc-tcp-connections': process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length,
      'sys-loadavg-1m': oneMinute,
      'sys-loadavg-5m': fiveMinutes,
      'sys-loadavg-15m': fifteenMinutes,
      'sys-freeMem': freemem(),
      'sys-totalMem': totalmem(),
    }
  }
}

/** The end of the log, the size of its file and the room on its disk. */
export function logStatistics(log: Log): () => Statistics {
  const folder = dirname(log.path)
  return () => {
    const { bsize, blocks, bfree, bavail } = statfsSync(folder)
    const drive = `sys-drive-${folder}`
    return {
      'es-checksum': log.lastPosition,
      'es-checksumNonFlushed': log.lastPosition,
      'es-log-bytes': log.size,
      [`${drive}-availableBytes`]: bavail * bsize,
      [`${drive}-totalBytes`]: blocks * bsize,
      [`${drive}-usedBytes`]: (blocks - bfree) * bsize,
      [`${drive}-usage`]: `${Math.round((100 * (blocks - bfree)) / Math.max(blocks, 1))}%`,
    }
  }
}
