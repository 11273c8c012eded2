import { z } from 'zod'
import { initiatorHeader } from './initiator.ts'

const graphqlRequest = z
  .object({
    query: z.string().meta({ description: 'A GraphQL document.' }),
    operationName: z.string().nullish(),
    variables: z.record(z.string(), z.unknown()).nullish(),
  })
  .meta({ id: 'GraphQLRequest' })

const graphqlResponse = z
  .looseObject({
    data: z.record(z.string(), z.unknown()).nullish(),
    errors: z.array(z.looseObject({ message: z.string() })).optional(),
  })
  .meta({ id: 'GraphQLResponse' })

const tag = { name: 'To-dos', description: 'The second module, in GraphQL.' }

/** What the API reference says of the to-dos' route. The schema describes itself, by introspection. */
export const todoReference = [
  {
    method: 'post',
    path: '/graphql',
    isQuery: false,
    id: 'graphql',
    tag,
    summary: 'Query and change to-dos',
    description: 'GraphQL over HTTP. Errors of fields come with status 200, in `errors`.',
    headers: z.object({ 'X-Initiated-By': initiatorHeader.optional() }),
    body: {
      schema: graphqlRequest,
      example: { query: '{ allTodos(first: 10) { totalCount edges { node { id description } } } }' },
    },
    answers: {
      200: {
        description: 'The result.',
        mediaType: 'application/json',
        schema: graphqlResponse,
        example: { data: { allTodos: { totalCount: 0, edges: [] } } },
      },
    },
    problems: ['validation', 'malformed-consistency-token', 'read-model-behind', 'overloaded'],
  },
] as const
