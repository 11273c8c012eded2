import { OpenAPIHono, type RouteConfig } from '@hono/zod-openapi'
import { z } from 'zod'
import type { Operation } from './operation.ts'
import type { ProblemFacts } from './problem.ts'

/**
 * The API as an OpenAPI 3.1 document (https://spec.openapis.org/oas/v3.1.0). Request schemas are the ones that
 * validate.
 *
 * @param problems every type of problem there is
 */
export function openApi(reference: readonly Operation[], problems: readonly ProblemFacts[]): object {
  const { openAPIRegistry, getOpenAPI31Document } = new OpenAPIHono()
  for (const operation of reference) openAPIRegistry.registerPath(route(operation, problems))
  const tags = [...new Set(reference.map(({ tag }) => tag))]
  const { webhooks: _, ...document } = getOpenAPI31Document({ openapi: '3.1.0', info, servers: [{ url: '/' }], tags })
  return document
}

const info = {
  title: 'Rollbook',
  version: '1',
  description:
    'Event-sourced user registration on EventStoreDB. Answers are HAL, errors are problems (RFC 9457), and HEAD and ' +
    'OPTIONS work everywhere.',
  license: { name: 'MIT', identifier: 'MIT' },
}

const requestId = z.string().regex(/^[!-~]{1,255}$/)
const token = z.string().regex(/^(?:0|[1-9]\d{0,15})$/)

const sentHeaders = {
  'X-Request-Id': requestId.optional().meta({ description: 'Kept for the answer and the events, where it is valid.' }),
}
const sentQueryHeaders = {
  ...sentHeaders,
  'Consistency-Token': token
    .optional()
    .meta({ description: 'Of an earlier answer: this one is as new, or the time is up.' }),
  Prefer: z
    .string()
    .optional()
    .meta({ description: '`wait=<seconds>`, 5 by default and 30 at most.', examples: ['wait=10'] }),
  'If-None-Match': z.string().optional().meta({ description: 'The ETag of an earlier answer.' }),
}
const answerHeaders = {
  'X-Request-Id': requestId.meta({ description: 'The id of the request, its own or a new one.' }),
}
const positionHeader = {
  'Consistency-Token': token.optional().meta({ description: 'The position of the log that the answer reflects.' }),
}
const representationHeaders = {
  ...answerHeaders,
  ...positionHeader,
  ETag: z.string().meta({ description: 'A strong validator.' }),
  'Cache-Control': z.string(),
  'Preference-Applied': z.string().optional(),
}

/** Slugs of the problems that every query, and everything that takes a body, may meet. */
const queryProblems = ['malformed-consistency-token', 'read-model-behind', 'read-model-not-ready']
const bodyProblems = ['malformed-json', 'content-too-large', 'unsupported-media-type', 'not-implemented']

function route(operation: Operation, problems: readonly ProblemFacts[]): RouteConfig {
  const { method, path, isQuery, id, tag, summary, description, body, answers } = operation
  const met = problemsOf(operation, problems)
  return {
    ...{ method, path, summary, operationId: id, tags: [tag.name], security: [] },
    ...(description !== undefined && { description }),
    request: {
      ...(operation.pathParameters && { params: operation.pathParameters }),
      ...(operation.query && { query: operation.query }),
      headers: z.object({ ...operation.headers?.shape, ...(isQuery ? sentQueryHeaders : sentHeaders) }),
      ...(body && {
        body: { required: true, content: { 'application/json': { schema: body.schema, example: body.example } } },
      }),
    },
    responses: {
      ...Object.fromEntries(
        Object.entries(answers).map(([status, { description, mediaType, schema, example, headers }]) => [
          status,
          {
            description,
            headers: z.object({
              ...(isQuery ? representationHeaders : { ...answerHeaders, ...positionHeader }),
              ...headers?.shape,
            }),
            content: { [mediaType]: { schema, example } },
          },
        ]),
      ),
      ...(isQuery && {
        304: { description: 'The client has the answer.', headers: z.object(representationHeaders) },
      }),
      ...problemResponses(path, met),
    },
  }
}

function problemsOf({ isQuery, body, problems }: Operation, known: readonly ProblemFacts[]): ProblemFacts[] {
  const slugs = [...problems, ...(isQuery ? queryProblems : []), ...(body ? bodyProblems : []), 'internal-error']
  return slugs.map((slug) => {
    const facts = known.find((each) => each.slug === slug)
    if (!facts) throw new Error(`The reference names the problem ${slug}, which there is not`)
    return facts
  })
}

const invalidPart = z.object({
  detail: z.string(),
  pointer: z.string().optional().meta({ description: 'JSON Pointer (RFC 6901) into the body.' }),
  parameter: z.string().optional().meta({ description: 'Name of a query parameter.' }),
  header: z.string().optional().meta({ description: 'Name of a header field.' }),
})

export const problemSchema = z
  .looseObject({
    type: z.string().meta({ description: 'Stable: clients decide by it. GET it for a description.' }),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    instance: z.string().meta({ description: 'The path of the request.' }),
    errors: z.array(invalidPart).optional().meta({ description: 'Every part of the request that is not valid.' }),
    outcome: z
      .enum(['unknown', 'not-appended'])
      .optional()
      .meta({ description: '`unknown`: the command may have been executed. `not-appended`: it was not.' }),
  })
  .meta({ id: 'Problem' })

const extensionExamples: Readonly<Record<string, unknown>> = {
  errors: [{ pointer: '/email', detail: 'must contain an @, as in ada@example.com' }],
  outcome: 'not-appended',
}

/** Problems with the same status are examples of one response. */
function problemResponses(path: string, problems: readonly ProblemFacts[]): RouteConfig['responses'] {
  const statuses = [...new Set(problems.map(({ status }) => status))]
  return Object.fromEntries(
    statuses.map((status) => {
      const facts = problems.filter((problem) => problem.status === status)
      const response = {
        description: [...new Set(facts.map(({ title }) => title))].join(', or: '),
        headers: z.object({
          ...answerHeaders,
          ...(status === 503 && { 'Retry-After': z.string().meta({ description: 'Seconds.' }) }),
        }),
        content: {
          'application/problem+json': {
            schema: problemSchema,
            examples: Object.fromEntries(facts.map((each) => [each.slug, { value: exampleOf(each, path) }])),
          },
        },
      }
      return [status, response]
    }),
  )
}

function exampleOf({ slug, title, status, detail = `${title}.`, extensions = [] }: ProblemFacts, instance: string) {
  const extra = extensions.map((name) => [name, extensionExamples[name]])
  return { type: `/problems/${slug}`, title, status, detail, ...Object.fromEntries(extra), instance }
}
