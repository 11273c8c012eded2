import { type ExecutionResult, GraphQLError } from 'graphql'
import { StoreUnavailable, StreamDeleted } from '../cqrs/event-store.ts'
import { PreconditionFailed } from '../cqrs/precondition.ts'
import { InvalidArgument } from './arguments.ts'
import type { TodoRefusal } from './todo.ts'

/** A request asks for more than one request may. Nothing of it was done. */
export class QueryTooComplex extends Error {
  override readonly name = 'QueryTooComplex'
}

/** The error as clients see it, with a stable code. Of an internal one they learn nothing: `report` is given it. */
export function toClientError(error: unknown, report: (error: unknown) => void): GraphQLError {
  const cause = causeOf(error)
  if (cause instanceof GraphQLError) return withCode(error instanceof GraphQLError ? error : cause)
  const told = toldOf(cause)
  if (!told) report(cause)
  const { message, ...extensions } = told ?? internal
  const { nodes, source, positions, path } = error instanceof GraphQLError ? error : {}
  return new GraphQLError(sentence(message), { nodes: nodes ?? null, source, positions, path, extensions })
}

/** An error that GraphQL itself found. Where the whole request was refused for it, the status is 400. */
function withCode(error: GraphQLError): GraphQLError {
  error.extensions['code'] ??= 'BAD_USER_INPUT'
  // `spec`: not with the older media type, application/json (GraphQL over HTTP, section 6.4).
  if (error.path === undefined) error.extensions['http'] ??= { spec: true, status: 400 }
  return error
}

/**
 * Where nothing was done or found because something failed here, the status is that of REST. An answer with something
 * in it is 200: a proxy or a client that repeats what failed would do again what was done.
 */
export function withStatus(result: ExecutionResult): ExecutionResult {
  if (hasValue(result.data)) return result
  const codes = result.errors?.map(({ extensions }) => extensions['code']) ?? []
  const http = codes.includes('INTERNAL_ERROR')
    ? { status: 500 }
    : codes.includes('EVENT_STORE_UNAVAILABLE') || codes.includes('READ_MODEL_NOT_READY')
      ? { status: 503, headers: { 'Retry-After': '2' } }
      : undefined
  return http ? { ...result, extensions: { ...result.extensions, http } } : result
}

const internal = { code: 'INTERNAL_ERROR', message: 'something went wrong inside: it has been logged' }

const refusals = {
  InvalidDescription: 'INVALID_DESCRIPTION',
  ReminderNotInFuture: 'REMINDER_NOT_IN_FUTURE',
  AlreadyCreated: 'ALREADY_CREATED',
  NotInitialised: 'NOT_INITIALISED',
} as const satisfies Record<TodoRefusal['name'], string>

const isRefusal = (name: string): name is keyof typeof refusals => Object.hasOwn(refusals, name)

/** What clients are told of an error; undefined where it is an internal one. */
function toldOf(error: unknown): { code: string; message: string; [field: string]: unknown } | undefined {
  if (!(error instanceof Error)) return undefined
  const { name, message } = error
  if (isRefusal(name)) return { code: refusals[name], message }
  if (error instanceof InvalidArgument) return { code: 'BAD_USER_INPUT', message, argument: error.argument }
  if (error instanceof QueryTooComplex) return { code: 'QUERY_TOO_COMPLEX', message }
  if (error instanceof PreconditionFailed) {
    const { expected, actual } = error
    const expectedVersion = typeof expected === 'object' ? expected.version : undefined
    const message = `the to-do is at version ${actual}, but the command was for version ${expectedVersion ?? 0}`
    return { code: 'VERSION_CONFLICT', message, expectedVersion, actualVersion: actual }
  }
  if (error instanceof StreamDeleted) return { code: 'TODO_DELETED', message: 'the to-do was deleted for good' }
  if (error instanceof StoreUnavailable) {
    const message = 'the event store could not be reached or did not answer in time'
    return { code: 'EVENT_STORE_UNAVAILABLE', message, outcome: error.outcome }
  }
  if (name === 'ReadModelNotReady') {
    const message = 'the list cannot be shown now, because the read model is not ready: GET /health/ready says why'
    return { code: 'READ_MODEL_NOT_READY', message }
  }
  return undefined
}

function causeOf(error: unknown): unknown {
  return error instanceof GraphQLError && error.originalError ? causeOf(error.originalError) : error
}

function hasValue(data: unknown): boolean {
  if (typeof data !== 'object' || data === null) return data !== null && data !== undefined
  return Object.values(data).some(hasValue)
}

function sentence(message: string): string {
  return `${message.charAt(0).toUpperCase()}${message.slice(1)}.`
}
