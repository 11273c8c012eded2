import { spawn } from 'node:child_process'
import { once } from 'node:events'

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

/** Runs the commands in one shell after the other; `environment` is added to that of the tests. */
export async function runInShell(
  command: string,
  folder: string,
  environment: Readonly<Record<string, string>> = {},
): Promise<{ readonly output: string; readonly code: number | null }> {
  const shell = spawn('bash', ['-o', 'pipefail', '-c', command], {
    cwd: folder,
    env: { ...outside(), ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const chunks: Buffer[] = []
  for (const channel of [shell.stdout, shell.stderr]) channel.on('data', (chunk) => chunks.push(chunk))
  const [code] = await once(shell, 'close')
  return { output: Buffer.concat(chunks).toString(), code: typeof code === 'number' ? code : null }
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
  [/[\d,]+ events\/s/g, '<speed>'],
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
