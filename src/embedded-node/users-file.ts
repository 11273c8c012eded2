import { readFileSync } from 'node:fs'
import { HASH_RULE, parseHash } from './passwords.ts'
import { UnusableUsersFile } from './security-errors.ts'

export interface UserEntry {
  readonly login: string
  /** See {@link import('./passwords.ts').PasswordHash}. */
  readonly hash: string
  readonly groups: readonly string[]
}

/**
 * Reads a users file: one `login:hash:groups` a line, groups separated by commas. Empty lines, and those that begin with `#`,
 * are skipped.
 *
 * @throws {UnusableUsersFile}
 */
export function readUsersFile(file: string): UserEntry[] {
  const users = new Map<string, UserEntry>()
  for (const [index, text] of readLines(file).entries()) {
    if (text.trim() === '' || text.startsWith('#')) continue
    const refuse = (reason: string): never => {
      throw new UnusableUsersFile(file, index + 1, reason)
    }
    const [login = '', hash, groups, ...more] = text.split(':')
    if (hash === undefined || groups === undefined || more.length > 0) refuse('a line is login:hash:groups')
    const fault = faultOfLogin(login) ?? groupsOf(groups).map(faultOfGroup).find(Boolean)
    if (fault !== undefined) refuse(fault)
    if (parseHash(hash ?? '') === undefined) refuse(HASH_RULE)
    if (users.has(login)) refuse(`${login} is there already`)
    users.set(login, { login, hash: hash ?? '', groups: groupsOf(groups) })
  }
  if (users.size === 0) throw new UnusableUsersFile(file, undefined, 'it names no user')
  return [...users.values()]
}

/** The line of a user. */
export const formatUser = ({ login, hash, groups }: UserEntry): string => `${login}:${hash}:${groups.join(',')}`

/** What is wrong with a login name, if anything. */
export function faultOfLogin(login: string): string | undefined {
  if (/^[^\s:$#][^\s:]*$/.test(login)) return undefined
  return 'a login name has no white space and no colon, and begins with neither $ nor #'
}

/** What is wrong with a group, if anything. */
export function faultOfGroup(group: string): string | undefined {
  if (/^[^\s:,]+$/.test(group) && group !== '$all') return undefined
  return 'a group has no white space, colon or comma; $all is everybody and no group'
}

export const groupsOf = (list: string | undefined): string[] =>
  (list ?? '')
    .split(',')
    .map((group) => group.trim())
    .filter(Boolean)

function readLines(file: string): string[] {
  try {
    return readFileSync(file, 'utf8').split(/\r?\n/)
  } catch (error) {
    throw new UnusableUsersFile(file, undefined, error instanceof Error ? error.message : String(error))
  }
}
