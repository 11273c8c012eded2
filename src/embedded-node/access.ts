import type { Metadata } from '@grpc/grpc-js'
import { DEFAULT_ACLS, type DefaultAcls, parseDefaultAcls, type Right } from './acl.ts'
import { isMetastream, originalOf } from './metadata.ts'
import { accessDenied } from './status.ts'
import type { Streams } from './stream-state.ts'
import { nowMicros } from './time.ts'

/** Who is behind a call, with the groups that the users file gives. */
export interface User {
  readonly login: string
  readonly groups: ReadonlySet<string>
}

/** The part of a grpc-js call that tells its caller: every call of every kind has it. */
export interface Call {
  readonly metadata: Metadata
}

export type StreamAction = 'read' | 'write' | 'delete'

/**
 * What callers may do to streams, by EventStoreDB's rules and with its defaults. To be asked before anything else is
 * done for a call, once: what a subscription was allowed to read it goes on reading. Which methods a caller may call at all
 * is not asked here: {@link mayCall}.
 *
 * A node without users allows everything, at the cost of one comparison.
 */
export class Access {
  readonly #guard: { readonly streams: Streams; userOf(call: Call): User | undefined } | undefined
  #defaults: { readonly settingsRevision: number; readonly acls: DefaultAcls } = {
    settingsRevision: -1,
    acls: DEFAULT_ACLS,
  }

  /** Without a guard everything is allowed. */
  constructor(guard?: { readonly streams: Streams; userOf(call: Call): User | undefined }) {
    this.#guard = guard
  }

  /**
   * Whether the caller may do this to the stream. Deleting and tombstoning are both `delete`; reading includes
   * subscribing, and consuming from a persistent subscription. A metastream stands for the metadata of its stream: reading
   * and writing it are rights of their own, and nobody may delete it. `$all` can only be read. What a link points to
   * is not checked, as in EventStoreDB: who may read links may read their targets.
   */
  allows(call: Call, action: StreamAction, stream: string): boolean {
    if (this.#guard === undefined) return true
    const user = this.#guard.userOf(call)
    if (user === undefined) return false
    if ((stream === '$all' || stream === '') && action !== 'read') return false
    const right = isMetastream(stream) ? METADATA_RIGHTS[action] : action
    if (right === undefined) return false
    if (isAdministrator(user)) return true
    const roles = this.#rolesWith(right, isMetastream(stream) ? originalOf(stream) : stream)
    return roles.some((role) => role === '$all' || role === user.login || user.groups.has(role))
  }

  /** What EventStoreDB calls the caller: without users everybody is the system. */
  nameOf(call: Call): string {
    return this.#guard === undefined ? 'system' : (this.#guard.userOf(call)?.login ?? 'anonymous')
  }

  /** @throws Failure PERMISSION_DENIED unless {@link allows} */
  check(call: Call, action: StreamAction, stream: string): void {
    if (!this.allows(call, action, stream)) throw accessDenied()
  }

  #rolesWith(right: Right, stream: string): readonly string[] {
    const own = this.#guard?.streams.acl(stream)
    if (own?.[right] !== undefined) return own[right]
    const kind = stream.startsWith('$') ? 'systemStreams' : 'userStreams'
    return this.#currentDefaults()[kind][right] ?? DEFAULT_ACLS[kind][right] ?? []
  }

  /** Read again only when `$settings` was written to. */
  #currentDefaults(): DefaultAcls {
    const streams = this.#guard?.streams
    const settingsRevision = streams?.last(SETTINGS) ?? -1
    if (settingsRevision !== this.#defaults.settingsRevision) {
      const settings = streams?.readableAt(SETTINGS, settingsRevision, nowMicros())
      const acls = settings === undefined ? DEFAULT_ACLS : parseDefaultAcls(settings.data)
      this.#defaults = { settingsRevision, acls }
    }
    return this.#defaults.acls
  }
}

/**
 * Whether a user, or nobody, may call a method at all; `path` as gRPC has it, `/package.Service/Method`. What is not named in the
 * table is for `$admins` and `$ops`, so that a service that is added is closed until it is opened here.
 */
export function mayCall(path: string, user: User | undefined): boolean {
  const [service = '', method = ''] = path.replace('/event_store.client.', '').split('/')
  const callers = CALLERS[`${service}/${method}`] ?? CALLERS[service]
  if (callers === 'anybody') return true
  if (user === undefined) return false
  return callers === 'users' || isAdministrator(user) || isOperator(user)
}

/** Services and methods whose callers need not run the node. */
const CALLERS: Readonly<Record<string, 'anybody' | 'users'>> = {
  'server_features.ServerFeatures': 'anybody',
  'gossip.Gossip': 'anybody',
  // These ask for the right to the stream, which callers without credentials never have.
  'streams.Streams': 'anybody',
  'monitoring.Monitoring': 'users',
  'persistent_subscriptions.PersistentSubscriptions/GetInfo': 'users',
  'persistent_subscriptions.PersistentSubscriptions/List': 'users',
  'persistent_subscriptions.PersistentSubscriptions/Read': 'anybody',
}

/** The stream whose last event holds the default ACLs. */
const SETTINGS = '$settings'

const METADATA_RIGHTS: Readonly<Record<StreamAction, Right | undefined>> = {
  read: 'metadataRead',
  write: 'metadataWrite',
  delete: undefined,
}

/** The logins `admin` and `ops` have the rights of their groups by their names. */
const isAdministrator = ({ login, groups }: User): boolean => login === 'admin' || groups.has('$admins')
const isOperator = ({ login, groups }: User): boolean => login === 'ops' || groups.has('$ops')
