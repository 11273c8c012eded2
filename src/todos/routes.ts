import type { ExecutionResult } from 'graphql'
import { type Context, Hono } from 'hono'
import { type Admission, Overloaded } from '../cqrs/command-limit.ts'
import { correlationIdOf } from '../cqrs/correlation.ts'
import { entityStore } from '../cqrs/entity-store.ts'
import type { Metadata } from '../cqrs/event.ts'
import type { EventSink, EventSource } from '../cqrs/event-store.ts'
import { everyEvents, type SnapshotSink, type SnapshotSource } from '../cqrs/snapshot.ts'
import type { GraphQLEndpoint } from './graphql-endpoint.ts'
import { type InvalidInitiator, initiator } from './initiator.ts'
import { todoReference } from './reference.ts'
import { todo } from './todo.ts'
import type { TodoQueries } from './todo-list.ts'
import { type TodoPorts, TodoRequest } from './todo-request.ts'

/** What the routes need of the app that they are part of. */
interface RouteVariables {
  requestId: string
  position: number | undefined
  readJson: () => Promise<unknown>
  awaitToken: () => Promise<void>
  render: (resource: object) => Representation
  send: (representation: Representation, status?: 200 | 201, headers?: Readonly<Record<string, string>>) => Response
}

interface Representation {
  readonly body: Uint8Array<ArrayBuffer>
  readonly etag: string
}

interface TodosModuleOptions {
  readonly events: EventSink & EventSource
  readonly snapshots: SnapshotSink & SnapshotSource
  readonly queries: TodoQueries
  /** What each request with a mutation has to pass: its commands run one after the other. */
  readonly admit: Admission
  readonly clock: () => Date
  /** The store of to-dos as it is used, such as with its commands counted. */
  readonly around?: (store: TodoPorts['store']) => TodoPorts['store']
  /** Whether who opens the endpoint in a browser gets GraphiQL. */
  readonly graphiql: boolean
  readonly logger: Logger
}

interface Logger {
  error(facts: object, message: string): void
  warn(facts: object, message: string): void
}

/** The to-dos' part of the API: GraphQL. */
export function todosModule(options: TodosModuleOptions) {
  const { events, snapshots, queries, admit, clock, graphiql, logger, around = (store) => store } = options
  const onSnapshotFailed = (err: unknown, stream: string, metadata: Metadata) =>
    logger.warn({ stream, correlationId: correlationIdOf({ metadata }), err }, 'a snapshot was not written')
  const store = around(entityStore(todo, { events, snapshots, strategy: everyEvents(10), onSnapshotFailed }))
  const handler = graphqlHandler({ store, queries, clock }, admit, logger)
  const routes = new Hono<{ Variables: RouteVariables }>().post('/graphql', handler)
  if (graphiql) routes.get('/graphql', async (c) => c.html(await graphiqlPage(), 200, graphiqlHeaders))
  return { routes, problems: todoProblems, links: { graphql: { href: '/graphql' } }, reference: todoReference }
}

function graphqlHandler(ports: TodoPorts, admit: Admission, logger: Logger) {
  let endpoint: Promise<GraphQLEndpoint> | undefined
  // With the first request, because the libraries take longer to load than most of the service.
  const load = () => import('./graphql-endpoint.ts').then(({ graphqlEndpoint }) => graphqlEndpoint())

  return async (c: Context<{ Variables: RouteVariables }>) => {
    const body = await c.get('readJson')()
    const requestId = c.get('requestId')
    const todos = new TodoRequest(ports, { requestId, initiatedBy: initiator(c.req.header('X-Initiated-By')) })
    const report = (err: unknown) => logger.error({ requestId, err }, 'a GraphQL request met an unexpected error')
    let refusal: unknown
    const awaitToken = async () => {
      try {
        await c.get('awaitToken')()
        return true
      } catch (error) {
        refusal = error
        return false
      }
    }
    const admitMutation = async (execute: () => Promise<ExecutionResult>) => {
      try {
        return await admit(execute)
      } catch (error) {
        if (!(error instanceof Overloaded)) throw error
        refusal = error
        return {}
      }
    }
    endpoint ??= load()
    const answer = await endpoint
    const response = await answer(body, c.req.header('Accept'), { todos, awaitToken, admitMutation, report })
    // What HTTP refuses is a problem, as on REST.
    if (refusal !== undefined) throw refusal
    c.set('position', todos.position)
    return response
  }
}

/** How the errors of the module that are not GraphQL's are told to clients (RFC 9457), by their name. */
const todoProblems = {
  InvalidInitiator: { status: 422, slug: 'validation', title: 'Validation failed', extensions: ['errors'] },
} as const satisfies Record<InvalidInitiator['name'], object>

/** All of the page is in its text. The browser sees to it that nothing comes from elsewhere. */
const graphiqlHeaders = {
  'Content-Security-Policy':
    "default-src 'none'; script-src 'unsafe-inline' blob:; worker-src blob:; style-src 'unsafe-inline'; " +
    "img-src data:; font-src data:; connect-src 'self'",
}

let page: Promise<string> | undefined

/** 9 MB, and so loaded only where it is asked for. */
function graphiqlPage(): Promise<string> {
  page ??= import('@graphql-yoga/render-graphiql').then(({ renderGraphiQL }) =>
    renderGraphiQL({ endpoint: '/graphql', title: 'Rollbook GraphiQL' }),
  )
  return page
}
