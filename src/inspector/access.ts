import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'

/**
 * Who is served. `loopback`: only requests whose Host is a loopback name, because a page of another site can make a name
 * of its own point to this machine (DNS rebinding); and none that a proxy says it passes on.
 */
export type Audience = 'loopback' | 'everybody'

type Header = (name: string) => string | undefined

/** Set by proxies, and by nobody else. */
const FORWARDED = ['Forwarded', 'X-Forwarded-For', 'X-Forwarded-Host', 'X-Real-IP', 'Via'] as const

/** @throws {InspectorForbidden} */
export function admit(header: Header, audience: Audience): void {
  // Another site's page cannot read the answer, but it could keep a place in the live view.
  if (header('Sec-Fetch-Site') === 'cross-site' && header('Sec-Fetch-Mode') !== 'navigate') {
    throw new InspectorForbidden('the inspector is not for pages of other sites')
  }
  if (audience === 'everybody') return
  if (!isLoopback(hostnameOf(header('Host') ?? ''))) {
    throw new InspectorForbidden('the inspector is served under localhost, 127.0.0.1 and [::1] only')
  }
  const proxy = FORWARDED.find((name) => header(name) !== undefined)
  if (proxy !== undefined) {
    throw new InspectorForbidden(`the inspector is for this machine only, and ${proxy} tells of a proxy`)
  }
}

/** Whether a host name, or an IP address, means this machine, wherever it is resolved. */
export function isLoopback(hostname: string): boolean {
  return /^(localhost|127(\.\d{1,3}){3}|\[::1\]|::1)$/i.test(hostname)
}

function hostnameOf(host: string): string {
  return /^(\[[^\]]*\]|[^:]*)(:\d+)?$/.exec(host)?.[1] ?? ''
}

/** Lets a form be sent only from a page of this process. */
export class FormGuard {
  /** What each form carries. No other page can read it, and it ends with the process. */
  readonly token = randomBytes(32).toString('base64url')

  /** @throws {InspectorForbidden} */
  check(header: Header, token: string | null): void {
    const site = header('Sec-Fetch-Site')
    const origin = header('Origin')
    if (site !== undefined && site !== 'same-origin') {
      throw new InspectorForbidden(`the form must be sent from the inspector itself, and Sec-Fetch-Site is ${site}`)
    }
    if (origin !== undefined && !isOriginOf(origin, header('Host'))) {
      throw new InspectorForbidden('the form must be sent from the inspector itself, and Origin is another one')
    }
    if (token === null || !isEqual(token, this.token)) {
      throw new InspectorForbidden('the token of the form is not the one of this process: load the page again')
    }
  }
}

/** The scheme is left out: a proxy may take TLS off. */
function isOriginOf(origin: string, host: string | undefined): boolean {
  return host !== undefined && URL.canParse(origin) && new URL(origin).host === host.toLowerCase()
}

/** In a time that tells nothing of where they differ. */
function isEqual(left: string, right: string): boolean {
  const [first, second] = [left, right].map((text) => createHash('sha256').update(text).digest())
  return first !== undefined && second !== undefined && timingSafeEqual(first, second)
}

export class InspectorForbidden extends Error {
  override readonly name = 'InspectorForbidden'
}
