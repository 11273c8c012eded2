import { randomUUID } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { CorruptEvent, eventCodec } from '../../src/cqrs/event-codec.ts'
import type { RecordedEvent } from '../../src/cqrs/event.ts'

const schema = z.object({
  type: z.literal('Renamed'),
  data: z.object({ first: z.string(), last: z.string(), title: z.string().nullable() }),
})

/** Version 1 had one name, version 2 two, version 3 has a title too. */
const codec = eventCodec(schema, {
  Renamed: [
    (data) => {
      const [first, last] = z.object({ name: z.string() }).parse(data).name.split(' ')
      return { first, last }
    },
    (data) => ({ ...z.looseObject({}).parse(data), title: null }),
  ],
})

const today = { first: 'Ada', last: 'Lovelace', title: null }

describe('an event codec', () => {
  it('stores an event with the version of its shape', () => {
    const id = randomUUID()
    expect(codec.encode(id, { type: 'Renamed', data: today }, { correlationId: 'c' })).toEqual({
      id,
      type: 'Renamed',
      data: today,
      metadata: { correlationId: 'c', schemaVersion: 3 },
    })
  })

  it.each([
    ['without a version, as version 1', { name: 'Ada Lovelace' }, undefined],
    ['of version 1', { name: 'Ada Lovelace' }, { schemaVersion: 1 }],
    ['of version 2', { first: 'Ada', last: 'Lovelace' }, { schemaVersion: 2 }],
    ['of version 3', today, { schemaVersion: 3, other: true }],
  ])('reads an event %s', (_, data, metadata) => {
    expect(codec.decode(recorded({ data, metadata }))).toEqual({ type: 'Renamed', data: today })
  })

  it.each([
    ['a type that it does not know', { type: 'Unheard', data: today }, /Unheard/],
    ['data of no version', { data: { first: 1 }, metadata: { schemaVersion: 3 } }, /first/],
    ['malformed JSON', { data: '{"first":', metadata: { schemaVersion: 3 } }, /expected object/],
    ['a version from the future', { data: today, metadata: { schemaVersion: 4 } }, /version is 4, known are 1 to 3/],
    ['a version that is none', { data: today, metadata: { schemaVersion: 'x' } }, /schemaVersion/],
    ['metadata that is no object', { data: today, metadata: new Uint8Array([1]) }, /./],
  ])('names the event that has %s', (_, changes, reason) => {
    const event = recorded(changes)
    const decode = () => codec.decode(event)
    expect(decode).toThrow(CorruptEvent)
    expect(decode).toThrow(reason)
    expect(decode).toThrow(`event 7 of someone-1 is no valid ${event.type}`)
  })

  it('names what an upcaster chokes on', () => {
    expect(() => codec.decode(recorded({ data: { nome: 'Ada' } }))).toThrow(CorruptEvent)
  })

  it('does not store what is no JSON', () => {
    const wide = eventCodec(z.object({ type: z.literal('Counted'), data: z.object({ count: z.bigint() }) }), {})
    expect(() => wide.encode(randomUUID(), { type: 'Counted', data: { count: 1n } }, {})).toThrow(z.ZodError)
  })
})

function recorded(changes: Partial<RecordedEvent>): RecordedEvent {
  return {
    id: randomUUID(),
    stream: 'someone-1',
    number: 7,
    position: 100,
    type: 'Renamed',
    data: today,
    metadata: undefined,
    created: new Date(0),
    ...changes,
  }
}
