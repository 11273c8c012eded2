import { EventStoreDBClient } from '@eventstore/db-client'
import { Channel } from '@grpc/grpc-js'

/** The client's own default, in milliseconds, and below it the client warns. */
const KEEP_ALIVE = 10_000

/**
 * Makes clients each of which has a TCP connection of its own. gRPC gives channels with the same target and the same
 * options one connection: a client that is made because the connection hangs would get the one that hangs, until the
 * keep-alive finds out after 20 s. Of the options that the client lets through only this one does no harm.
 *
 * @throws {Error} the connection string is malformed.
 */
export function connector(url: string): () => EventStoreDBClient {
  let made = 0
  return () => EventStoreDBClient.connectionString(withKeepAlive(toLeader(url), made++ % 1_000))
}

const disconnected = new WeakSet<EventStoreDBClient>()

/**
 * Ends the calls of a client, and then its connection, which the client itself would leave open. To the client, reads
 * that are cut off so have come to their end: {@link isDisconnected} tells the difference.
 */
export async function disconnect(client: EventStoreDBClient): Promise<void> {
  disconnected.add(client)
  await client.dispose()
  // Not waited for: a client that has none, because it is about to look for the leader, makes one first.
  void closeChannel(client).catch(() => undefined)
}

export function isDisconnected(client: EventStoreDBClient): boolean {
  return disconnected.has(client)
}

async function closeChannel(client: EventStoreDBClient): Promise<void> {
  const getChannel: unknown = Reflect.get(client, 'getChannel')
  const channel: unknown = typeof getChannel === 'function' ? await getChannel() : undefined
  if (channel instanceof Channel) channel.close()
}

/** Unless the connection string wants another node: the client's own choice is any, which would only send it on. */
function toLeader(url: string): string {
  return /[?&]nodePreference=/i.test(url) ? url : withOption(url, 'nodePreference=leader')
}

function withKeepAlive(url: string, difference: number): string {
  const given = /([?&]keepAliveInterval=)(-?\d+)/i.exec(url)
  if (!given) return withOption(url, `keepAliveInterval=${KEEP_ALIVE + difference}`)
  const [whole, name, interval] = given
  return Number(interval) < 0 ? url : url.replace(whole, `${name}${Number(interval) + difference}`)
}

function withOption(url: string, option: string): string {
  return `${url}${url.includes('?') ? '&' : '?'}${option}`
}
