import type { Context } from 'hono'
import { HttpProblem } from './problem.ts'

/** Largest request body, in bytes. */
const maxBytes = 16 * 1024

/**
 * The parsed JSON body of a request.
 *
 * @throws {HttpProblem} unsupported-media-type, not-implemented (a transfer coding), content-too-large, malformed-json (also where the body is empty or is
 *   not UTF-8), or bad-request where the client broke off.
 */
export async function readJson(request: Context['req']): Promise<unknown> {
  const [mediaType = '', ...parameters] = (request.header('Content-Type') ?? '').toLowerCase().split(';')
  if (mediaType.trim() !== 'application/json' || !parameters.every(isCharsetUtf8)) {
    throw new HttpProblem('unsupported-media-type', 'The Content-Type of the body must be application/json in UTF-8.', {
      Accept: 'application/json',
    })
  }
  if ((request.header('Transfer-Encoding') ?? 'chunked').toLowerCase() !== 'chunked') {
    throw new HttpProblem('not-implemented', 'The only Transfer-Encoding that can be read is chunked.')
  }
  const coding = request.header('Content-Encoding')
  if (coding !== undefined && coding.toLowerCase() !== 'identity') {
    throw new HttpProblem('unsupported-media-type', 'The body must not have a Content-Encoding.', {
      'Accept-Encoding': 'identity',
    })
  }
  const bytes = await readBytes(request)
  if (bytes.length === 0) throw new HttpProblem('malformed-json', 'The body must not be empty.')
  try {
    return JSON.parse(utf8.decode(bytes))
  } catch (error) {
    const reason = error instanceof SyntaxError ? error.message : 'it is not UTF-8'
    throw new HttpProblem('malformed-json', `The body must be valid JSON: ${reason}.`)
  }
}

/** JSON is UTF-8 (RFC 8259). Other parameters mean nothing. */
function isCharsetUtf8(parameter: string): boolean {
  return !/^\s*charset\s*=/.test(parameter) || /=\s*"?utf-?8"?\s*$/.test(parameter)
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

async function readBytes(request: Context['req']): Promise<Uint8Array> {
  const declared = request.header('Content-Length')
  try {
    // What declares its length is read in one piece: several times faster than through a stream.
    if (declared !== undefined && request.header('Transfer-Encoding') === undefined) {
      if (Number(declared) > maxBytes) throw tooLarge()
      return new Uint8Array(await request.arrayBuffer())
    }
    return await readStream(request.raw.body)
  } catch (error) {
    if (error instanceof HttpProblem) throw error
    throw new HttpProblem('bad-request', 'The body ended before it was complete.')
  }
}

/** Stops reading at the limit, but does not cancel: that would break the connection that the answer goes back on. */
async function readStream(body: ReadableStream<Uint8Array> | null): Promise<Uint8Array> {
  if (!body) return new Uint8Array()
  const reader = body.getReader()
  const chunks: Uint8Array[] = []
  let bytes = 0
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return Buffer.concat(chunks)
    bytes += value.length
    if (bytes > maxBytes) throw tooLarge()
    chunks.push(value)
  }
}

function tooLarge(): HttpProblem {
  return new HttpProblem('content-too-large', `The body must have at most ${maxBytes} bytes.`)
}
