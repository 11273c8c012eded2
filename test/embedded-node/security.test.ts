import { readFileSync } from 'node:fs'
import { AccessDeniedError, EventStoreDBClient, jsonEvent } from '@eventstore/db-client'
import { ServerFeaturesClient } from '@eventstore/db-client/generated/serverfeatures_grpc_pb.js'
import shared from '@eventstore/db-client/generated/shared_pb.js'
import { credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type SecuredNode, startSecuredNode, tlsFiles } from '../support/secured-node.ts'

const event = () => jsonEvent({ type: 't', data: { n: 1 } })

/** What the node answers to a call with this header that takes no rights. */
async function answerTo(node: SecuredNode, authorization?: string): Promise<status> {
  const channel = credentials.createSsl(readFileSync(node.tls.certificate))
  const client = new ServerFeaturesClient(`localhost:${node.port}`, channel)
  onTestFinished(() => client.close())
  const metadata = new Metadata()
  if (authorization !== undefined) metadata.set('authorization', authorization)
  return new Promise((resolve) => {
    const done = (error: ServiceError | null) => resolve(error?.code ?? status.OK)
    client.getSupportedMethods(new shared.Empty(), metadata, done)
  })
}

const read = async (client: EventStoreDBClient): Promise<void> => {
  for await (const _ of client.readStream('s'));
}

const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`

describe('credentials', () => {
  test('in the connection string are for every call, batched appends too', async () => {
    const node = await startSecuredNode({ ada: [] })
    const client = node.clientOf('ada')
    const append = () => client.appendToStream('s', event())
    const { nextExpectedRevision } = await append()
    expect(nextExpectedRevision).toBe(0n)
    await Promise.all(Array.from({ length: 50 }, append))
    let last = -1n
    for await (const { event: read } of client.readStream('s')) last = read?.revision ?? last
    expect(last).toBe(50n)
  })

  test.each([
    ['a wrong password', 'ada', 'no'],
    ['the password of another user', 'ada', 'neb'],
    ['an unknown login', 'eve', 'eve'],
    ['a login in another case', 'Ada', 'ada'],
  ])('with %s are refused on every path', async (_, login, password) => {
    const node = await startSecuredNode({ ada: [], ben: [] })
    const client = node.clientOf(login, password)
    const perCall = { credentials: { username: login, password } }
    await expect(client.appendToStream('s', event(), perCall)).rejects.toThrow(AccessDeniedError)
    await expect(client.appendToStream('s', event())).rejects.toThrow(AccessDeniedError)
    await expect(read(client)).rejects.toThrow(AccessDeniedError)
    await expect(client.deleteStream('s')).rejects.toThrow(AccessDeniedError)
    expect(await answerTo(node, basic(`${login}:${password}`))).toBe(status.UNAUTHENTICATED)
  })

  test('are taken as they are: with colons, spaces, and letters beyond ASCII', async () => {
    const node = await startSecuredNode({ 'Zoë:': [] }).catch((error) => error)
    expect(node).toMatchObject({ name: 'UnusableUsersFile', line: 1 })
    const other = await startSecuredNode({ Zoë: [] })
    expect(await answerTo(other, basic('Zoë:ëoZ'))).toBe(status.OK)
    expect(await answerTo(other, basic('Zoë:ëoZ '))).toBe(status.UNAUTHENTICATED)
    expect(await answerTo(other, basic('Zoë:ëoZ:'))).toBe(status.UNAUTHENTICATED)
  })

  test('may be absent or of another scheme: then the caller is nobody', async () => {
    const node = await startSecuredNode({ ada: [] })
    expect(await answerTo(node)).toBe(status.OK)
    expect(await answerTo(node, 'Bearer abc')).toBe(status.OK)
    expect(await answerTo(node, 'Basic')).toBe(status.OK)
    expect(await answerTo(node, basic('ada'))).toBe(status.UNAUTHENTICATED)
    expect(await answerTo(node, 'Basic !')).toBe(status.UNAUTHENTICATED)
  })

  test('that were right before are not delayed by a flood of wrong ones', async () => {
    const node = await startSecuredNode({ ada: [], ben: [] }, 14)
    const ada = node.clientOf('ada')
    await ada.appendToStream('s', event())
    const flood = Array.from({ length: 120 }, (_, n) => answerTo(node, basic(`${n % 2 ? 'ada' : 'eve'}:${n}`)))
    let over = false
    const answers = Promise.all(flood).finally(() => {
      over = true
    })
    const slowest: number[] = []
    while (!over) {
      const begun = performance.now()
      await ada.appendToStream('s', event())
      slowest.push(performance.now() - begun)
    }
    // More at once than are let to wait are told to come again; none is let in.
    expect(new Set(await answers)).toEqual(new Set([status.UNAUTHENTICATED, status.UNAVAILABLE]))
    expect(slowest.length).toBeGreaterThan(10)
    expect(await answerTo(node, basic('ben:neb'))).toBe(status.OK)
  })
})

describe('TLS', () => {
  test('serves clients that find the node by gossip, under the name that they know', async () => {
    const node = await startSecuredNode({ ada: [] })
    const discovering = EventStoreDBClient.connectionString(node.url('ada:ada').replace('esdb:', 'esdb+discover:'))
    onTestFinished(() => discovering.dispose())
    await discovering.appendToStream('s', event())
  })

  test('is refused by clients that do not trust the certificate, or for another name', async () => {
    const node = await startSecuredNode({ ada: [] })
    const other = await tlsFiles('example.com')
    const url = node.url('ada:ada')
    for (const wrong of [url.replace(node.tls.certificate, other.certificate), url.replace(/&tlsCAFile.*/, '')]) {
      const client = EventStoreDBClient.connectionString(wrong)
      onTestFinished(() => client.dispose())
      await expect(read(client)).rejects.toThrow(/certificate/)
    }
    expect(await answerTo(node, basic('ada:ada'))).toBe(status.OK)
  })

  test('turns clients away that speak plain text, and goes on serving the others', async () => {
    const node = await startSecuredNode({ ada: [] })
    const plain = EventStoreDBClient.connectionString(`esdb://ada:ada@localhost:${node.port}?tls=false`)
    onTestFinished(() => plain.dispose())
    await expect(read(plain)).rejects.toMatchObject({ type: 'unavailable' })
    await node.clientOf('ada').appendToStream('s', event())
  })
})
