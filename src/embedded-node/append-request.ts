import { MalformedMessage, Reader } from './wire.ts'

/**
 * google-protobuf reads the entries of a map, such as the metadata of a proposed event, without regard to where they end.
 *
 * @throws MalformedMessage for what it must not get to read
 */
export function checkAppendReq(bytes: Buffer): void {
  const request = new Reader(bytes)
  for (let field = request.next(); field !== 0; field = request.next()) {
    if (field === 2) checkProposedMessage(request.message())
    else request.skip()
  }
}

function checkProposedMessage(message: Reader): void {
  for (let field = message.next(); field !== 0; field = message.next()) {
    if (field === 2) checkMapEntry(message.message())
    else message.skip()
  }
}

function checkMapEntry(entry: Reader): void {
  for (let field = entry.next(); field !== 0; field = entry.next()) {
    if (field !== 1 && field !== 2) throw new MalformedMessage('A map has keys and values only')
    entry.bytes()
  }
}
