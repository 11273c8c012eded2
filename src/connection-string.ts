import { EventStoreDBClient } from '@eventstore/db-client'
import { z } from 'zod'

/** A connection string that the client of EventStoreDB takes as it is meant. */
export const connectionString = z.string().superRefine((url, check) => {
  const fault = faultOf(url)
  if (fault !== undefined) check.addIssue(fault)
})

/** A URL, or what was meant as one, with nothing of what may be a password. */
export function withoutPassword(url: string): string {
  return url.replace(/^([a-z+]+:\/\/)?.*@/s, '$1***@')
}

/** The client's options (its parseConnectionString.js), in lower case. */
const options = [
  ...['tls', 'tlsverifycert', 'tlscafile', 'usercertfile', 'userkeyfile', 'connectionname', 'nodepreference'],
  ...['maxdiscoverattempts', 'discoveryinterval', 'gossiptimeout', 'defaultdeadline', 'throwonappendfailure'],
  ...['keepaliveinterval', 'keepalivetimeout'],
]

const parts = /^esdb(?:\+discover)?:\/\/(?:(.*)@)?([^/?@]+)\/*(?:\?(.*))?$/s

/** Must say nothing of the user and the password. */
function faultOf(url: string): string | undefined {
  const [, user, hosts, parameters = ''] = parts.exec(url) ?? []
  if (hosts === undefined) return 'a connection string starts with esdb:// or esdb+discover:// and names a host'
  // The client would take a part of the password as the host, or only a part of it as the password.
  if (user !== undefined && !/^[^:/?@]+:[^:/?@]+$/.test(user)) {
    return 'before the host there may be user:password@; percent-encode each : / ? @ in them'
  }
  for (const host of hosts.split(',')) {
    const port = Number(host.split(':')[1] ?? 2113)
    if (!(port >= 1 && port <= 65_535)) return 'the port of a host is a whole number from 1 to 65535'
  }
  // Of these two the client only warns, on stderr and with the password.
  for (const [name, value] of new URLSearchParams(parameters)) {
    const option = name.toLowerCase().replace(/[_-]/g, '')
    if (!options.includes(option)) return `there is no option ${name}`
    if (option === 'tlsverifycert' && value === 'false') return 'tlsVerifyCert=false has no effect: give a tlsCAFile'
  }
  try {
    // Makes no connection.
    EventStoreDBClient.connectionString(url)
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}
