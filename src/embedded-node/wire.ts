/**
 * The protobuf wire format (protobuf.dev/programming-guides/encoding), as far as the hot messages need it.
 * 64-bit values are JavaScript numbers where they are known to be small, and bigints where a client chooses them.
 */

const VARINT = 0
const FIXED64 = 1
const BYTES = 2
const FIXED32 = 5

export class MalformedMessage extends Error {
  override readonly name = 'MalformedMessage'
}

/** Reads fields of one message in `buffer` between `offset` and `end`. Byte fields are views, not copies. */
export class Reader {
  readonly buffer: Buffer
  offset: number
  readonly end: number
  #wireType = VARINT

  constructor(buffer: Buffer, offset = 0, end = buffer.length) {
    this.buffer = buffer
    this.offset = offset
    this.end = end
  }

  /** The number of the next field, or 0 at the end of the message. */
  next(): number {
    if (this.offset >= this.end) return 0
    const tag = this.#varint()
    this.#wireType = tag & 7
    return tag >>> 3
  }

  /** A message field: a reader over it. */
  message(): Reader {
    const length = this.#length()
    const start = this.offset
    this.offset += length
    return new Reader(this.buffer, start, this.offset)
  }

  bytes(): Buffer {
    const length = this.#length()
    const start = this.offset
    this.offset += length
    return this.buffer.subarray(start, this.offset)
  }

  string(): string {
    const length = this.#length()
    const start = this.offset
    this.offset += length
    return this.buffer.toString('utf8', start, this.offset)
  }

  bool(): boolean {
    this.#expect(VARINT)
    return this.#varint64() !== 0n
  }

  uint64(): bigint {
    this.#expect(VARINT)
    return this.#varint64()
  }

  int64(): bigint {
    return BigInt.asIntN(64, this.uint64())
  }

  int32(): number {
    return Number(BigInt.asIntN(32, this.uint64()))
  }

  /** Steps over a field that this version does not know. */
  skip(): void {
    if (this.#wireType === VARINT) this.#varint64()
    else if (this.#wireType === BYTES) this.bytes()
    else if (this.#wireType === FIXED64) this.offset += 8
    else if (this.#wireType === FIXED32) this.offset += 4
    else throw new MalformedMessage(`Wire type ${this.#wireType} is not supported`)
    if (this.offset > this.end) throw new MalformedMessage('A field ends beyond its message')
  }

  #length(): number {
    this.#expect(BYTES)
    const length = this.#varint()
    if (length > this.end - this.offset) throw new MalformedMessage('A field ends beyond its message')
    return length
  }

  #expect(wireType: number): void {
    if (this.#wireType !== wireType) throw new MalformedMessage(`Wire type ${this.#wireType} where ${wireType} belongs`)
  }

  #byte(): number {
    const byte = this.offset < this.end ? this.buffer[this.offset++] : undefined
    if (byte === undefined) throw new MalformedMessage('A message ends inside a field')
    return byte
  }

  /** Tags and lengths: 32 bits. */
  #varint(): number {
    let value = 0
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.#byte()
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) return value >>> 0
    }
    throw new MalformedMessage('A tag or length is longer than 32 bits')
  }

  #varint64(): bigint {
    let low = 0
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.#byte()
      low += (byte & 0x7f) << shift
      if (byte < 0x80) return BigInt(low)
    }
    let value = BigInt(low)
    for (let shift = 28n; shift < 70n; shift += 7n) {
      const byte = this.#byte()
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return BigInt.asUintN(64, value)
    }
    throw new MalformedMessage('A varint is longer than 64 bits')
  }
}

/** Writes into a buffer that the caller has sized with the `…Size` functions below. */
export class Writer {
  readonly buffer: Buffer
  offset = 0

  constructor(size: number) {
    this.buffer = Buffer.allocUnsafe(size)
  }

  /** A length-delimited field's tag and length; its `length` bytes must follow. */
  open(field: number, length: number): void {
    this.buffer[this.offset++] = (field << 3) | BYTES
    this.varint(length)
  }

  bytes(field: number, value: Uint8Array): void {
    this.open(field, value.length)
    this.raw(value)
  }

  raw(value: Uint8Array): void {
    this.buffer.set(value, this.offset)
    this.offset += value.length
  }

  /** A string whose UTF-8 `length` the caller knows. */
  string(field: number, value: string, length: number): void {
    this.open(field, length)
    this.buffer.write(value, this.offset, length, length === value.length ? 'latin1' : 'utf8')
    this.offset += length
  }

  uint64(field: number, value: number | bigint): void {
    this.buffer[this.offset++] = (field << 3) | VARINT
    if (typeof value === 'number') this.varint(value)
    else this.#bigVarint(value)
  }

  varint(value: number): void {
    let rest = value
    while (rest >= 0x80) {
      this.buffer[this.offset++] = (rest % 0x80) | 0x80
      rest = Math.floor(rest / 0x80)
    }
    this.buffer[this.offset++] = rest
  }

  #bigVarint(value: bigint): void {
    let rest = value
    while (rest >= 0x80n) {
      this.buffer[this.offset++] = Number(rest & 0x7fn) | 0x80
      rest >>= 7n
    }
    this.buffer[this.offset++] = Number(rest)
  }
}

/** Bytes of a varint. Numbers must be safe integers. */
export function varintSize(value: number | bigint): number {
  let size = 1
  if (typeof value === 'number') for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) size++
  else for (let rest = value; rest >= 0x80n; rest >>= 7n) size++
  return size
}

/** Bytes of a whole length-delimited field with a number below 16. */
export const fieldSize = (length: number): number => 1 + varintSize(length) + length

/** Bytes of a whole varint field with a number below 16. */
export const uint64Size = (value: number | bigint): number => 1 + varintSize(value)
