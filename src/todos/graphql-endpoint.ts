import { type ExecutionResult, GraphQLError, getOperationAST, parse, type ValidationRule } from 'graphql'
import { createLRUCache, createYoga, type Plugin } from 'graphql-yoga'
import { toClientError, withStatus } from './graphql-errors.ts'
import { todoSchema } from './graphql-schema.ts'
import type { TodoRequest } from './todo-request.ts'

export interface GraphQLExchange {
  readonly todos: TodoRequest
  /** Resolves to false where the answer cannot be as new as the client wants it: then no query is executed. */
  readonly awaitToken: () => Promise<boolean>
  /** Executes a mutation, or nothing of it. */
  readonly admitMutation: (execute: () => Promise<ExecutionResult>) => Promise<ExecutionResult>
  /** Told of errors that the client only learns to be internal ones. */
  readonly report: (error: unknown) => void
}

/** Answers what was posted, parsed as JSON, as GraphQL over HTTP (https://graphql.github.io/graphql-over-http/draft/). */
export type GraphQLEndpoint = (
  body: unknown,
  accept: string | undefined,
  exchange: GraphQLExchange,
) => Promise<Response>

export function graphqlEndpoint(): GraphQLEndpoint {
  const yoga = createYoga<GraphQLExchange>({
    schema: todoSchema,
    graphqlEndpoint: url.pathname,
    fetchAPI: { Response },
    plugins: [plugin],
    // What is kept of the requests of anyone: 100 documents of limited size.
    parserAndValidationCache: { documentCache: createLRUCache({ max: 100 }), errorCache: createLRUCache({ max: 100 }) },
    // The plugin does that.
    maskedErrors: false,
    ...{ cors: false, graphiql: false, landingPage: false, multipart: false, logging: false },
  })
  return async (body, accept, exchange) => {
    const headers = { 'Content-Type': 'application/json', Accept: answerType(accept) }
    const response = await yoga.fetch(
      new Request(url, { method: 'POST', headers, body: JSON.stringify(body) }),
      exchange,
    )
    // Yoga's, which thinks that it answers GET too.
    response.headers.delete('Allow')
    return response
  }
}

const url = new URL('http://localhost/graphql')

/** Most tokens of a document. The introspection of GraphiQL has some 300. */
const maxTokens = 2000

const plugin: Plugin<GraphQLExchange, GraphQLExchange> = {
  onParse: ({ setParseFn }) => setParseFn((source, options) => parse(source, { ...options, maxTokens })),
  onValidate: ({ addValidationRule }) => addValidationRule(limitedIntrospection),
  async onExecute({ args, executeFn, setExecuteFn, setResultAndStopExecution }) {
    const { document, operationName, contextValue } = args
    if (getOperationAST(document, operationName)?.operation !== 'query') {
      setExecuteFn((all) => contextValue.admitMutation(async () => executeFn(all)))
      return
    }
    if (await contextValue.awaitToken()) contextValue.todos.beginQuery()
    else setResultAndStopExecution({})
  },
  onExecutionResult({ result, setResult, context: { report } }) {
    if (!result || Symbol.asyncIterator in result || !result.errors) return
    setResult(withStatus({ ...result, errors: result.errors.map((error) => toClientError(error, report)) }))
  },
}

/** The cost of a request does not count what it asks of the schema: again and again, that would be megabytes. */
const maxIntrospections = 10

const limitedIntrospection: ValidationRule = (context) => {
  let count = 0
  return {
    Field(node) {
      if (!['__schema', '__type'].includes(node.name.value) || ++count !== maxIntrospections + 1) return
      const message = `The schema is asked for more than ${maxIntrospections} times.`
      context.reportError(new GraphQLError(message, { nodes: node, extensions: { code: 'QUERY_TOO_COMPLEX' } }))
    },
  }
}

/** Of the two media types of GraphQL over HTTP, the newer only for who asks for it. */
function answerType(accept: string | undefined): string {
  const newer = 'application/graphql-response+json'
  return accept?.toLowerCase().includes(newer) ? newer : 'application/json'
}
