import { randomUUID } from 'node:crypto'
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import type { RecordedEvent } from '../../src/cqrs/event.ts'
import { CorruptEvent, eventCodec } from '../../src/cqrs/event-codec.ts'

/** Version 1 had one name, version 2 two, version 3 has a title too. */
const codec = eventCodec({
  Renamed: {
    schema: z.object({ first: z.string(), last: z.string(), title: z.string().nullable() }),
    upcasters: [
      (data) => {
        const [first, last] = z.object({ name: z.string() }).parse(data).name.split(' ')
        return { first, last }
      },
      (data) => ({ ...z.looseObject({}).parse(data), title: null }),
    ],
  },
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

  it('does not store what does not fit the schema', () => {
    const encode = () => codec.encode(randomUUID(), { type: 'Renamed', data: { ...today, first: '' } }, {})
    expect(encode).not.toThrow()
    const strict = eventCodec({ Renamed: z.object({ first: z.string().min(1) }) })
    expect(() => strict.encode(randomUUID(), { type: 'Renamed', data: { first: '' } }, {})).toThrow(
      expect.objectContaining({ name: 'InvalidEvent', type: 'Renamed', message: expect.stringContaining('/first: ') }),
    )
  })

  it('does not store what has no form in JSON', () => {
    const wide = eventCodec({ Counted: z.object({ by: z.custom<() => void>() }) })
    const encode = () => wide.encode(randomUUID(), { type: 'Counted', data: { by: () => undefined } }, {})
    expect(encode).toThrow(expect.objectContaining({ name: 'NotStorable', path: ['by'] }))
  })

  it('keeps bigint, Date and binary, and leaves the rest plain JSON', () => {
    const wide = eventCodec({
      Paid: z.object({ amount: z.bigint(), at: z.date(), receipt: z.instanceof(Uint8Array), note: z.string() }),
    })
    const data = { amount: 2n ** 70n, at: new Date(0), receipt: Uint8Array.of(0, 255), note: 'thanks' }
    const raw = wide.encode(randomUUID(), { type: 'Paid', data }, {})
    expect(raw.data).toEqual({
      amount: { $bigint: '1180591620717411303424' },
      at: { $date: '1970-01-01T00:00:00.000Z' },
      receipt: { $binary: 'AP8=' },
      note: 'thanks',
    })
    const stored = recorded({ type: 'Paid', data: JSON.parse(JSON.stringify(raw.data)), metadata: raw.metadata })
    expect(wide.decode(stored)).toEqual({ type: 'Paid', data })
  })

  it('takes the schemas of any library that keeps to Standard Schema', () => {
    const isName = (value: unknown): value is { name: string } =>
      typeof value === 'object' && value !== null && 'name' in value && typeof value.name === 'string'
    const named: StandardSchemaV1<unknown, { name: string }> = {
      '~standard': {
        version: 1,
        vendor: 'own',
        validate: (value) =>
          isName(value) ? { value } : { issues: [{ message: 'no name', path: [{ key: 'name' }] }] },
      },
    }
    const own = eventCodec({ Named: named })
    expect(own.decode(recorded({ type: 'Named', data: { name: 'Ada' } }))).toEqual({
      type: 'Named',
      data: { name: 'Ada' },
    })
    expect(() => own.decode(recorded({ type: 'Named', data: {} }))).toThrow('/name: no name')
  })

  it('does not take a schema that validates later', () => {
    const later = eventCodec({ Named: z.object({ name: z.string() }).refine(async () => true) })
    expect(() => later.encode(randomUUID(), { type: 'Named', data: { name: 'Ada' } }, {})).toThrow(/asynchronous/)
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
