import { createHash } from 'node:crypto'

/** A link of the JSON Hypertext Application Language (draft-kelly-json-hal). */
export interface HalLink {
  readonly href: string
  /** Whether `href` is a URI template (RFC 6570). */
  readonly templated?: true
}

/** A resource as it goes over the wire. */
export interface Representation {
  /** `application/hal+json` in UTF-8. */
  readonly body: Uint8Array<ArrayBuffer>
  /** A strong validator: equal for equal bytes only. */
  readonly etag: string
}

export function render(resource: object): Representation {
  const body = Buffer.from(JSON.stringify(resource))
  return { body, etag: `"${createHash('sha1').update(body).digest('base64url')}"` }
}
