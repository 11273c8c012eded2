/** Who has each right to a stream: login names and groups; `$all` is everybody. A right that is not named is inherited. */
export interface Acl {
  readonly read?: readonly string[]
  readonly write?: readonly string[]
  readonly delete?: readonly string[]
  readonly metadataRead?: readonly string[]
  readonly metadataWrite?: readonly string[]
}

export type Right = keyof Acl

const RIGHTS: Readonly<Record<string, Right>> = {
  $r: 'read',
  $w: 'write',
  $d: 'delete',
  $mr: 'metadataRead',
  $mw: 'metadataWrite',
}

/** Reads an `$acl`. As in EventStoreDB, anything that does not belong there voids it: undefined. */
export function parseAcl(value: unknown): Acl | undefined {
  if (!isObject(value)) return undefined
  const acl: { -readonly [right in Right]?: readonly string[] } = {}
  for (const [key, roles] of Object.entries(value)) {
    const right = Object.hasOwn(RIGHTS, key) ? RIGHTS[key] : undefined
    if (right === undefined) return undefined
    if (typeof roles === 'string') acl[right] = [roles]
    else if (isListOfStrings(roles)) acl[right] = roles
    else return undefined
  }
  return acl
}

/** What streams inherit that have no ACL of their own. */
export interface DefaultAcls {
  readonly userStreams: Acl
  readonly systemStreams: Acl
}

/** EventStoreDB's own: user streams are everybody's, system streams are for administrators. */
export const DEFAULT_ACLS: DefaultAcls = { userStreams: everythingTo('$all'), systemStreams: everythingTo('$admins') }

/** The last event of `$settings`; one that cannot be read changes nothing. */
export function parseDefaultAcls(json: Uint8Array): DefaultAcls {
  try {
    const settings: unknown = JSON.parse(Buffer.from(json).toString('utf8'))
    if (!isObject(settings)) return DEFAULT_ACLS
    const { $userStreamAcl: forUsers, $systemStreamAcl: forSystem } = settings
    const userStreams = forUsers === undefined ? DEFAULT_ACLS.userStreams : parseAcl(forUsers)
    const systemStreams = forSystem === undefined ? DEFAULT_ACLS.systemStreams : parseAcl(forSystem)
    return userStreams === undefined || systemStreams === undefined ? DEFAULT_ACLS : { userStreams, systemStreams }
  } catch {
    return DEFAULT_ACLS
  }
}

function everythingTo(role: string): Required<Acl> {
  return { read: [role], write: [role], delete: [role], metadataRead: [role], metadataWrite: [role] }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isListOfStrings(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((entry) => typeof entry === 'string')
}
