import { randomBytes, scryptSync } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { EventStoreDBClient } from '@eventstore/db-client'
import { generate } from 'selfsigned'
import { onTestFinished } from 'vitest'
import { startNode } from './embedded-node.ts'
import { temporaryFolder } from './temporary-folder.ts'

export interface TlsFiles {
  readonly certificate: string
  readonly key: string
}

/** A self-signed certificate, for localhost and 127.0.0.1 unless another name is given, with its key in a file of its own. */
export async function tlsFiles(name = 'localhost', expires?: Date): Promise<TlsFiles> {
  const altNames = [
    { type: 2 as const, value: name },
    ...(name === 'localhost' ? [{ type: 7 as const, ip: '127.0.0.1' }] : []),
  ]
  const pems = await generate([{ name: 'commonName', value: name }], {
    keyType: 'ec',
    algorithm: 'sha256',
    ...(expires && { notBeforeDate: new Date(expires.getTime() - 86_400_000), notAfterDate: expires }),
    extensions: [
      { name: 'basicConstraints', cA: true },
      { name: 'subjectAltName', altNames },
    ],
  })
  const folder = temporaryFolder()
  const files = { certificate: join(folder, 'node.crt'), key: join(folder, 'node.key') }
  writeFileSync(files.certificate, pems.cert)
  writeFileSync(files.key, pems.private, { mode: 0o600 })
  return files
}

export interface TestUser {
  readonly password: string
  readonly groups?: readonly string[]
  /** The work of a check: 10 is quick, 14 takes some 40 ms. */
  readonly ln?: number
}

/** A users file. */
export function usersFile(users: Readonly<Record<string, TestUser>>): string {
  const lines = Object.entries(users).map(([login, { password, groups = [], ln = 10 }]) => {
    const salt = randomBytes(16)
    const hash = scryptSync(password, salt, 32, { N: 2 ** ln, r: 8, p: 1, maxmem: 2 ** 28 })
    const [saltText, hashText] = [salt, hash].map((bytes) => bytes.toString('base64').replace(/=+$/, ''))
    return `${login}:$scrypt$ln=${ln},r=8,p=1$${saltText}$${hashText}:${groups.join(',')}\n`
  })
  const file = join(temporaryFolder(), 'users')
  writeFileSync(file, lines.join(''), { mode: 0o600 })
  return file
}

export interface SecuredNode {
  readonly port: number
  readonly tls: TlsFiles
  /** A connection string with `login:password`, or without anybody. */
  url(credentials?: string): string
  /** A client that is disposed of when the test ends; the password of every test user is the login name backwards. */
  clientOf(login?: string, password?: string): EventStoreDBClient
}

export const passwordOf = (login: string): string => [...login].reverse().join('')

/** A node with TLS whose users have the given groups. */
export async function startSecuredNode(
  groups: Readonly<Record<string, readonly string[]>>,
  ln?: number,
): Promise<SecuredNode> {
  const tls = await tlsFiles()
  const users = Object.entries(groups).map(([login, of]): [string, TestUser] => {
    return [login, { password: passwordOf(login), groups: of, ...(ln !== undefined && { ln }) }]
  })
  const node = await startNode({
    ...{ dataDir: temporaryFolder(), port: 0, tls, users: usersFile(Object.fromEntries(users)) },
    onWarning: (warning) => {
      throw new Error(warning)
    },
  })
  onTestFinished(() => node.close())
  const url = (credentials?: string): string =>
    `esdb://${credentials === undefined ? '' : `${credentials}@`}localhost:${node.port}?tls=true&tlsCAFile=${tls.certificate}`
  const clientOf = (login?: string, password?: string): EventStoreDBClient => {
    const credentials = login === undefined ? undefined : `${login}:${password ?? passwordOf(login)}`
    const client = EventStoreDBClient.connectionString(url(credentials))
    onTestFinished(() => client.dispose())
    return client
  }
  return { port: node.port, tls, url, clientOf }
}
