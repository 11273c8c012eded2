import { describe, expect, it } from 'vitest'
import { rollbook, startNode, temporaryDirectory } from '../support/processes.ts'

describe('the command line', () => {
  it.each([
    [['--help'], /serve[\s\S]*node[\s\S]*rebuild[\s\S]*status[\s\S]*verify/],
    [['rebuild', '--help'], /rollbook rebuild/],
    [['node', '--help'], /--data-dir[\s\S]*--port/],
  ])('explains itself: %j', async (parameters, expected) => {
    const command = rollbook(parameters)
    expect(await command.ended).toBe(0)
    expect(command.output()).toMatch(expected)
  })

  it.each([
    ['a command that does not exist', ['rebuidl'], {}, /unknown command 'rebuidl'/],
    ['a superfluous argument', ['rebuild', 'now'], {}, /too many arguments/],
    ['a bad variable', ['serve'], { PORT: 'http' }, /^rollbook: PORT=http is not allowed: .*0 to 65535\n$/],
    ['a bad option', ['node', '--port', '99999'], {}, /99999 is not allowed/],
    ['a connection string that is none', ['status'], { EVENTSTORE_URL: 'localhost' }, /EVENTSTORE_URL=localhost/],
  ])('ends with 2 on %s and says what is wrong', async (_, parameters, environment, expected) => {
    const command = rollbook(parameters, environment)
    expect(await command.ended).toBe(2)
    expect(command.output()).toMatch(expected)
  })

  it('ends with 14 where the event store does not answer', async () => {
    const environment = { EVENTSTORE_URL: 'esdb://127.0.0.1:1?tls=false', DATA_DIR: temporaryDirectory() }
    const command = rollbook(['rebuild'], environment)
    expect(await command.ended).toBe(14)
    expect(command.output()).toMatch(/^rollbook: event store unavailable: .*\nhint: .*\n$/)
  })

  it('ends with 22 where there is no read model yet', async () => {
    const DATA_DIR = await emptyStore()
    for (const name of ['status', 'verify']) {
      const command = rollbook([name], { DATA_DIR })
      expect(await command.ended).toBe(22)
      expect(command.output()).toMatch(/^rollbook: .*nothing has been built there\nhint: .*\n$/)
    }
  })

  it('rebuilds without a service, in plain lines without colours where there is no terminal', async () => {
    const rebuild = rollbook(['rebuild'], { DATA_DIR: await emptyStore(), NO_COLOR: '1' })
    expect(await rebuild.ended).toBe(0)
    expect(rebuild.output()).toMatch(/^100 %, 0 events, 0 events\/s, 0 s left\nRebuilt from 0 events .*\n$/)
  })

  it('reaches the node of a process that has the log', async () => {
    const DATA_DIR = temporaryDirectory()
    await startNode(DATA_DIR)
    const rebuild = rollbook(['rebuild'], { DATA_DIR })
    expect(await rebuild.ended, rebuild.output()).toBe(0)
  })
})

/** A data directory with an event store that nobody has written to. */
async function emptyStore(): Promise<string> {
  const directory = temporaryDirectory()
  const node = await startNode(directory)
  node.process.kill('SIGTERM')
  await node.ended
  return directory
}
