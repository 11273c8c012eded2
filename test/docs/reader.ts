import { expect, onTestFinished } from 'vitest'
import { DIST, printed, run, waitUntil } from '../faults/processes.ts'
import { missingFrom, openShell, stepsOf } from './console.ts'

/** Someone who types what a document says, and compares what comes with what it shows. */
export interface Reader {
  /** @param place of the block in the document, for those who look for what is wrong */
  follow(block: string, place: string): Promise<void>
}

/**
 * In a folder, with a data directory and ports of its own. `npm start` starts the service of `dist`.
 *
 * @param dataDir absolute path
 */
export function aReader(folder: string, dataDir: string, dist = DIST): Reader {
  const shell = openShell(folder, { DATA_DIR: dataDir })
  let api = 'no service was started'

  async function start(): Promise<string> {
    const service = run(['serve'], { DATA_DIR: dataDir }, { dist })
    onTestFinished(async () => {
      service.process.kill('SIGKILL')
      await service.ended
    })
    const url = await printed(service, /API: (http:\/\/[^\s"]+)/)
    await waitUntil(async () => (await fetch(`${url}/health/ready`)).ok, `${url} to be ready`)
    api = new URL(url).host
    const nodePort = /esdb:\/\/127\.0\.0\.1:(\d+)/.exec(service.output())?.[1]
    // Where the commands look for the event store of the service.
    await shell.run(`export EMBEDDED_NODE_PORT=${nodePort}`)
    return asOnTerminal(service.output())
  }

  async function follow(block: string, place: string): Promise<void> {
    for (const { command, shown } of stepsOf(block)) {
      if (command === 'npm start') {
        const output = await start()
        expect(missingFrom(output, shown), `${place}: ${command}\n${output}`).toBeUndefined()
        continue
      }
      const { output, code } = await shell.run(command.replaceAll('localhost:1323', api))
      expect(code, `${place}: ${command}\n${output}`).toBe(0)
      expect(missingFrom(output, shown), `${place}: ${command}\n${output}`).toBeUndefined()
    }
  }
  return { follow }
}

/** The log of a process that is on no terminal is JSON. */
function asOnTerminal(log: string): string {
  return [...log.matchAll(/"msg":"([^"]*)"/g)].map(([, message]) => `[00:00:00.000] INFO: ${message}`).join('\n')
}
