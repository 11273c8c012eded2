import type { MethodDefinition } from '@grpc/grpc-js'
import protobuf from 'google-protobuf'

const DELIMITED = 2

/**
 * google-protobuf believes what nested messages and strings say of their length, and reads on behind the end of what has
 * arrived, byte for byte: 20 bytes keep it busy for minutes. This refuses them.
 */
class BoundedReader extends protobuf.BinaryReader {
  readonly #bytes: Uint8Array

  constructor(bytes: Uint8Array) {
    super(bytes)
    this.#bytes = bytes
  }

  override nextField(): boolean {
    const hasField = this.getCursor() <= this.#bytes.length && super.nextField()
    const end = this.getCursor() + (hasField && this.getWireType() === DELIMITED ? this.#length() : 0)
    if (end > this.#bytes.length) throw new Error('A message says that it is longer than it is')
    return hasField
  }

  /** Of the field that comes, with the bytes that say so; more than there are where they do not end. */
  #length(): number {
    let length = 0
    for (let at = this.getCursor(), unit = 1, taken = 1; at < this.#bytes.length; at++, unit *= 128, taken++) {
      const byte = this.#bytes[at] ?? 0
      length += (byte % 128) * unit
      if (byte < 128) return length + taken
    }
    return Number.POSITIVE_INFINITY
  }
}

interface MessageClass {
  new (): protobuf.Message
  deserializeBinaryFromReader(message: protobuf.Message, reader: protobuf.BinaryReader): protobuf.Message
}

const isMessageClass = (value: unknown): value is MessageClass =>
  typeof value === 'function' && 'deserializeBinaryFromReader' in value

type Method = Pick<MethodDefinition<never, never>, 'path'> & { requestDeserialize: (bytes: Buffer) => unknown }

/** The same service, with requests that are read no further than they go. */
export function boundedRequests<Service extends Readonly<Record<string, Method>>>(service: Service): Service {
  const bounded: Record<string, Method> = {}
  for (const [name, method] of Object.entries(service)) {
    const type: unknown = Reflect.get(method, 'requestType')
    if (!isMessageClass(type)) throw new TypeError(`${method.path} does not say what its requests are`)
    const requestDeserialize = (bytes: Buffer): unknown =>
      type.deserializeBinaryFromReader(new type(), new BoundedReader(bytes))
    bounded[name] = { ...method, requestDeserialize }
  }
  return { ...service, ...bounded }
}
