import fc from 'fast-check'
import { z } from 'zod'
import type { DataSchema } from '../event-codec.ts'
import { jsonSchemaOf } from '../snapshot.ts'

/**
 * Data that a schema accepts, made from its JSON Schema. Covers what events are made of; where a schema says more than
 * that, what it does not accept is left out.
 *
 * @throws {RangeError} the schema has a part that JSON Schema cannot tell.
 */
export function arbitraryData(type: string, schema: DataSchema): fc.Arbitrary<object> {
  const accepts = (data: unknown): data is object => {
    const result = schema['~standard'].validate(data)
    return !(result instanceof Promise) && result.issues === undefined
  }
  return arbitraryOf(jsonSchemaOf(schema), type, {}).filter(accepts)
}

type Definitions = Readonly<Record<string, unknown>>

const jsonSchema = z.looseObject({
  type: z.union([z.string(), z.array(z.string())]).optional(),
  $defs: z.record(z.string(), z.unknown()).optional(),
  $ref: z.string().optional(),
  const: z.unknown().optional(),
  enum: z.array(z.unknown()).optional(),
  anyOf: z.array(z.unknown()).optional(),
  oneOf: z.array(z.unknown()).optional(),
  pattern: z.string().optional(),
  format: z.string().optional(),
  minLength: z.number().optional(),
  maxLength: z.number().optional(),
  minimum: z.number().optional(),
  maximum: z.number().optional(),
  items: z.unknown().optional(),
  prefixItems: z.array(z.unknown()).optional(),
  minItems: z.number().optional(),
  maxItems: z.number().optional(),
  properties: z.record(z.string(), z.unknown()).optional(),
  required: z.array(z.string()).optional(),
  additionalProperties: z.unknown().optional(),
})

type JsonSchema = z.infer<typeof jsonSchema>

/** `path` is where we are, for the error. */
function arbitraryOf(given: unknown, path: string, outer: Definitions): fc.Arbitrary<unknown> {
  const parsed = jsonSchema.safeParse(given)
  const schema: JsonSchema = parsed.success ? parsed.data : {}
  const definitions = { ...outer, ...schema.$defs }
  const nested = (part: unknown, name: string | number) => arbitraryOf(part, `${path}/${name}`, definitions)
  if (schema.$ref !== undefined) {
    const definition = definitions[schema.$ref.replace('#/$defs/', '')]
    if (definition === undefined) throw new RangeError(`no arbitrary can be made for ${path}: it is recursive`)
    return nested(definition, schema.$ref)
  }
  if (schema.const !== undefined) return fc.constant(schema.const)
  if (schema.enum) return fc.constantFrom(...schema.enum)
  const options = schema.anyOf ?? schema.oneOf
  if (options) return fc.oneof(...options.map(nested))
  if (Array.isArray(schema.type)) return fc.oneof(...schema.type.map((type) => nested({ ...schema, type }, type)))
  switch (schema.type) {
    case 'object':
      return arbitraryObject(schema, nested)
    case 'array':
      if (schema.prefixItems) return fc.tuple(...schema.prefixItems.map(nested))
      return arrayOf(nested(schema.items, 'items'), schema)
    case 'string':
      return arbitraryString(schema)
    case 'integer':
      return fc.integer({
        min: schema.minimum ?? Number.MIN_SAFE_INTEGER,
        max: schema.maximum ?? Number.MAX_SAFE_INTEGER,
      })
    case 'number':
      return fc.double({
        min: schema.minimum ?? -Number.MAX_VALUE,
        max: schema.maximum ?? Number.MAX_VALUE,
        noNaN: true,
      })
    case 'boolean':
      return fc.boolean()
    case 'null':
      return fc.constant(null)
    default:
      throw new RangeError(`no arbitrary can be made for ${path} from its schema: give one for this event`)
  }
}

function arbitraryObject(
  { properties = {}, required = [], additionalProperties }: JsonSchema,
  nested: (part: unknown, name: string) => fc.Arbitrary<unknown>,
): fc.Arbitrary<unknown> {
  const members = Object.fromEntries(Object.entries(properties).map(([name, part]) => [name, nested(part, name)]))
  const known = fc.record(members, { requiredKeys: required, noNullPrototype: true })
  if (typeof additionalProperties !== 'object' || Object.keys(properties).length > 0) return known
  return fc.dictionary(fc.string(), nested(additionalProperties, '*'), { noNullPrototype: true })
}

/** Longer than `minItems` or `minLength` by this at most: shrinking and reading stay quick. */
const VARIETY = 10

function arrayOf(item: fc.Arbitrary<unknown>, { minItems = 0, maxItems = minItems + VARIETY }: JsonSchema) {
  return fc.array(item, { minLength: minItems, maxLength: maxItems })
}

function arbitraryString({
  pattern,
  format,
  minLength = 0,
  maxLength = minLength + VARIETY,
}: JsonSchema): fc.Arbitrary<string> {
  if (pattern !== undefined) return fc.stringMatching(new RegExp(pattern))
  if (format === 'date-time') return fc.date({ noInvalidDate: true }).map((date) => date.toISOString())
  return fc.string({ minLength, maxLength: Math.min(maxLength, minLength + VARIETY) })
}
