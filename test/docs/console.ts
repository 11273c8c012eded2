import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { createInterface } from 'node:readline'
import { onTestFinished } from 'vitest'

/** What a reader types, and the lines of its output that the document shows. */
export interface Step {
  readonly command: string
  readonly shown: readonly string[]
}

/** The steps of a block. A command begins with `$ `, and goes on in lines that are indented behind it. */
export function stepsOf(block: string): Step[] {
  const steps: { command: string; shown: string[] }[] = []
  for (const line of block.trimEnd().split('\n')) {
    const last = steps.at(-1)
    if (line.startsWith('$ ')) steps.push({ command: line.slice(2), shown: [] })
    else if (!last) throw new Error(`no command above the output ${line}`)
    else if (/^ +\S/.test(line) && last.shown.length === 0 && isOpen(last.command)) last.command += `\n${line}`
    else last.shown.push(line)
  }
  return steps
}

export interface Shell {
  /** Runs in the shell in which the commands before it ran: variables stay. One at a time. */
  run(command: string): Promise<Ran>
}

interface Ran {
  /** What it printed on both channels. */
  readonly output: string
  readonly code: number
}

/** A shell that is ended with the test. `environment` is added to that of the tests. */
export function openShell(folder: string, environment: Readonly<Record<string, string>> = {}): Shell {
  const shell = spawn('bash', ['--norc', '-s'], { cwd: folder, env: { ...outside(), ...environment } })
  onTestFinished(() => {
    shell.kill('SIGKILL')
  })
  shell.stdin.write('exec 2>&1; set -o pipefail\n')
  const printed = createInterface(shell.stdout)[Symbol.asyncIterator]()

  async function run(command: string): Promise<Ran> {
    const mark = randomUUID()
    shell.stdin.write(`{ ${command}\n} < /dev/null\nprintf '\\n%s %s\\n' ${mark} $?\n`)
    let output = ''
    for (;;) {
      const line = await printed.next()
      if (line.done) throw new Error(`the shell has ended:\n${output}`)
      const [word, code] = line.value.split(' ')
      if (word === mark) return { output, code: Number(code) }
      output += `${line.value}\n`
    }
  }
  return { run }
}

/**
 * The first line that the document shows and the output does not have, behind those before it; undefined where it has
 * them all. What differs from run to run may differ: ids, times, speeds. A `…` stands for anything.
 */
export function missingFrom(output: string, shown: readonly string[]): string | undefined {
  const lines = output.replaceAll('\r', '').split('\n').map(constant)
  let next = 0
  for (const line of shown.filter((line) => line.trim() !== '')) {
    const wanted = patternOf(constant(line))
    const found = lines.findIndex((candidate, index) => index >= next && wanted.test(candidate))
    if (found === -1) return line
    next = found + 1
  }
  return undefined
}

function isOpen(command: string): boolean {
  return command.endsWith('\\') || /^for\b/.test(command) !== /\n\s*done\b/.test(command)
}

/** Tests run in an environment of Vitest's, and one of npm's around it. */
function outside(): NodeJS.ProcessEnv {
  const ours = /^(VITEST|NODE_ENV$|npm_|TEST$|PROD$|DEV$|MODE$|EVENTSTORE_URL$|FORCE_COLOR$)/
  const inherited = Object.entries(process.env).filter(([name]) => !ours.test(name))
  return { ...Object.fromEntries(inherited), NO_COLOR: '1' }
}

const VARYING: readonly (readonly [RegExp, string])[] = [
  [/\b[0-7][0-9A-HJKMNP-TV-Z]{25}\b/g, '<ulid>'],
  [/\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g, '<instant>'],
  [/\[\d\d:\d\d:\d\d\.\d{3}\]/g, '[time]'],
  [/[\w./-]*\/read-model\/\d+\.sqlite/g, '<file>'],
  [/[\d,]+ events\/s, \d+ s left/g, '<speed>'],
  [/Reader \d+/g, 'Reader <n>'],
  [/(127\.0\.0\.1|localhost):\d+/g, '<address>'],
]

function constant(line: string): string {
  return VARYING.reduce((text, [pattern, name]) => text.replaceAll(pattern, name), line.trimEnd())
}

function patternOf(line: string): RegExp {
  const parts = line.split('…').map((part) => part.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&'))
  return new RegExp(`^${parts.join('.*')}$`)
}
