import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'
import { text } from 'node:stream/consumers'
import type { Command } from 'commander'
import { hashPassword } from '../embedded-node/passwords.ts'
import { faultOfGroup, faultOfLogin, formatUser, groupsOf } from '../embedded-node/users-file.ts'

/** `rollbook node hash-password`: the line of a user for the node's users file. */
export function addHashPassword(node: Command, print: (text: string) => void): void {
  node
    .command('hash-password')
    .description('read a password from stdin or the terminal and print the line of a user for --users')
    .argument('<login>', 'login name')
    .option('--groups <list>', "groups, separated by commas: '$admins', '$ops', or any of yours", '')
    .action(async (login: string, { groups: list }: { groups: string }, command: Command) => {
      const groups = groupsOf(list)
      const fault = faultOfLogin(login) ?? groups.map(faultOfGroup).find(Boolean)
      if (fault !== undefined) command.error(`error: ${fault}`)
      const password = process.stdin.isTTY ? await askTwice(command) : firstLine(await text(process.stdin))
      if (password === '') command.error('error: the password is empty')
      print(formatUser({ login, hash: await hashPassword(password), groups }))
    })
}

const firstLine = (input: string): string => input.replace(/\r?\n.*$/s, '')

async function askTwice(command: Command): Promise<string> {
  const password = await ask('Password: ')
  if ((await ask('Again: ')) !== password) command.error('error: the two passwords differ')
  return password
}

/** Asks on stderr, so that stdout has nothing but the line, and shows nothing of what is typed. */
async function ask(question: string): Promise<string> {
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() })
  const terminal = createInterface({ input: process.stdin, output: nowhere, terminal: true })
  process.stderr.write(question)
  try {
    return await terminal.question('')
  } finally {
    terminal.close()
    process.stderr.write('\n')
  }
}
