import { randomUUID } from 'node:crypto'

/** The client's own id if it is 1 to 255 visible ASCII characters, else a new one. */
export function requestId(inbound: string | undefined): string {
  return inbound !== undefined && /^[!-~]{1,255}$/.test(inbound) ? inbound : randomUUID()
}
