import { statfsSync } from 'node:fs'
import { freemem, loadavg, totalmem } from 'node:os'
import { dirname } from 'node:path'
import monitoring from '@eventstore/db-client/generated/monitoring_pb.js'
import type * as grpc from '@grpc/grpc-js'
import type { Log } from './log.ts'
import type { Statistics } from './statistics.ts'
import { shuttingDown } from './status.ts'

/** Numbers by name, under EventStoreDB's names where it has them. */
export type Figures = Readonly<Record<string, string | number>>

/** Shortest and longest time between two messages, in milliseconds. */
const SHORTEST = 100
const LONGEST = 2 ** 31 - 1

/** The Monitoring service: the statistics of all sources, at once and then at every period, until the client goes. */
export class MonitoringCalls {
  readonly #sources: readonly (() => Figures)[]
  readonly #open = new Set<() => void>()

  constructor(sources: readonly (() => Figures)[]) {
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

/** What was written since the start of the node, and how fast since the figures before. */
export function writerFigures(statistics: () => Statistics): () => Figures {
  let before = { at: performance.now(), commits: 0, events: 0 }
  return () => {
    const { commits, events, requests, largestCommit, commitSeconds, longestCommitSeconds } = statistics()
    const now = { at: performance.now(), commits, events }
    const seconds = Math.max(now.at - before.at, 1) / 1000
    const newCommits = commits - before.commits
    const figures = {
      'es-writer-fsyncs': commits,
      'es-writer-events': events,
      'es-writer-requests': requests,
      'es-writer-maxEventsPerFsync': largestCommit,
      'es-writer-commitSeconds': commitSeconds,
      'es-writer-maxCommitSeconds': longestCommitSeconds,
      'es-writer-fsyncsPerSecond': newCommits / seconds,
      'es-writer-eventsPerFsync': newCommits === 0 ? 0 : (events - before.events) / newCommits,
    }
    before = now
    return figures
  }
}

/** Memory, processor and connections of this process, and what its machine has. */
export function processFigures(): () => Figures {
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
      'proc-tcp-connections': openConnections(),
      'sys-loadavg-1m': oneMinute,
      'sys-loadavg-5m': fiveMinutes,
      'sys-loadavg-15m': fifteenMinutes,
      'sys-freeMem': freemem(),
      'sys-totalMem': totalmem(),
    }
  }
}

/** TCP connections of this thread. */
export function openConnections(): number {
  return process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length
}

/** The end of the log, the size of its file and the room on its disk. */
export function logFigures(log: Log): () => Figures {
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
